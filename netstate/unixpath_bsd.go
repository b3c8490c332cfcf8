//go:build darwin || freebsd || openbsd || netbsd || dragonfly

package netstate

// maxUnixPath is the length in bytes of the longest path that every program
// can bind: sun_path has 104 bytes, and most programs end it with a NUL
// (unix(4)).
const maxUnixPath = 103
