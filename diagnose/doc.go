// Package diagnose says what a snapshot of a machine means for a program that
// wants to bind an address: whether it can, why not, and what to do about it.
//
// It is made of pure functions of a [netstate.Snapshot] and a [Question]. It
// reads no clock and no file, and never asks which system it runs on: the
// system is a field of the snapshot, so a snapshot of one machine is explained
// with the same words on another.
//
// [Predict] answers what bind(2) would. [Why] finds the causes, each of which
// lives in a file of its family: how it is recognised, how it is said, and the
// remedies.
package diagnose
