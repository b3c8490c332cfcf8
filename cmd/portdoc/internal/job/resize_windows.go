package job

func onResize(func()) (stop func()) { return func() {} }
