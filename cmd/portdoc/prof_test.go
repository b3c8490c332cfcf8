package main
import ("testing")
func BenchmarkK(b *testing.B){ for b.Loop(){ s,_,e:=runInMemory("check","8000-8999"); if s!=0 {b.Fatal(e)} } }
