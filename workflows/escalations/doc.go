// Package escalations is the pure engine of escalation paths: who is told that something cannot wait, who is told next when nobody
// acknowledges it, and when. It must not read a clock, ask who is on shift or send anything: the desk asks the world and records the answer,
// jobs send, and what was delivered comes back as an event.
package escalations
