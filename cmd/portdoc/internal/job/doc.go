// Package job runs a command in the place of this process: with its terminal,
// in its process group, with its signals and its end. To the shell it looks as
// if the command had been started itself.
//
// A second process, the [Companion], is started beside it. It is in the same
// process group and tells which signals the whole group gets, so that one that
// was meant for this process alone can be handed to the command, and no other
// twice. It outlives this process where that is needed (see [Accompany]).
package job
