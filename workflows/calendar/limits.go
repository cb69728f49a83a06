package calendar

import "time"

// Bounds of the room. Every loop over days, people or changes ends at one of them.
const (
	maxHoursText  = 400       // bytes of written working hours: seven days of several windows fit
	maxWindows    = 8         // windows of one day
	maxHolidays   = 2000      // dated holidays of one person: a hundred years of twenty
	maxOff        = 1000      // intervals of time off of one person
	maxDays       = 3700      // dates walked in search of working time: 9999wh, the longest duration a file can say, at 20 hours a week
	lookBack      = 3         // dates before a moment whose windows may reach it: one over midnight, one for the zone, one a zone skipped (Apia)
	maxRota       = 500       // people of one rotation, as many as a roster holds
	maxOverrides  = 1000      // overrides of one rotation
	maxShiftDays  = 366       // dates of one shift
	maxChanges    = 10_000    // shift changes of one answer: daily shifts for 27 years
	maxTeam       = 500       // people of one team, as many as a roster holds
	maxAhead      = 400       // days a forecast looks ahead; a lint looks twelve months
	maxMonths     = 24        // months one coverage report spans
	maxFreezes    = 500       // change freezes of one calendar: a weekly one for ten years
	maxFeed       = 1 << 20   // bytes of an iCalendar file: ten years of daily shifts
	maxLine       = 16 << 10  // bytes of one line of it, unfolded: a long description; the library copies the rest of the line for each parameter
	maxEvents     = 10_000    // events of one file
	maxRepeats    = 10_000    // COUNT of a repetition, and dates taken out of one
	maxInterval   = 1000      // INTERVAL of a repetition
	maxOccur      = 20_000    // occurrences of one answer
	maxNesting    = 4         // components within components: a calendar, an event, its alarm
	maxByDay      = 14        // days one repetition names
	maxSteps      = 2_000_000 // dates walked for one answer: 500 repeating entries over ten years
	maxShortfalls = 20_000    // intervals of one coverage report: more are counted, not listed

	minYear, maxYear = 1900, 2200 // years of a date that is written down; files allow 2000 to 2199

	day = 24 * time.Hour // elapsed time, for bounds only: no date is ever found with it
)
