// Package calendar is the arithmetic of wall clocks and working hours: which instant a local time names, when somebody is at work, who is
// on shift, who of a team is awake and who is next.
//
// It is pure: the moment asked about is a parameter, zones come in as *time.Location, and the same inputs give the same answer as long
// as the zone data is the same. It reads no clock, no file and no network, and it decides nothing: the engine compares stamps that were
// recorded, and what stands here helps desk to make those stamps and screens to explain them. It is called by workflows/desk, by package
// bot for what a card says of the people asked, and by the linter of workflows.
//
// Three rules run through it. A day is a calendar date, stepped by date, never "midnight + 24 h": where clocks change at midnight
// (Santiago, Cairo, Beirut) there is no such midnight, and adding hours until the date changes never ends on a day of 25. A local time
// that does not exist is the first instant after the gap. Of one that exists twice a beginning takes the first and an end the last, so that
// shifts overlap and never leave a hole.
//
// Holidays come from the tables of github.com/rickar/cal (never its arithmetic of hours, which is wrong where clocks change), from dated lists or
// from iCalendar files; rotations from lists of people in turn or from iCalendar files, which are read by rules of our own (ReadICS says which).
//
// Known gaps: iCalendar is read from files, never fetched. The working week of a country is not known: without days, hours mean Monday to
// Friday.
package calendar
