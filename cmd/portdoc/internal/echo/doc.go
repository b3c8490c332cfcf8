// Package echo is the reference TCP echo server and client: what a small
// network program looks like when it treats every end of a connection right,
// with switches for doing it wrong on purpose.
//
// A server is [Listen] and then [Server.Serve]; a client is [Dial] and then
// [Client.Run]. Neither catches a signal: what Ctrl+C and Ctrl+Z do is the
// program's and the shell's business.
package echo
