//go:build !linux

package main

// machineClock is asked of Linux only.
func machineClock() string { return "" }
