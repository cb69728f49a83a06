package ledger

import "fmt"

func (s *scanner) time() (int64, error) {
	raw, _, err := s.str()
	if err != nil {
		return 0, err
	}
	us, ok := parseTime(raw)
	if !ok {
		return 0, fmt.Errorf("time %q is not like 2026-11-22T01:02:03.456789Z", raw)
	}
	return us, nil
}

// FormatTime writes microseconds since 1970 as leaves do: 2026-11-22T01:02:03.456789Z. Times among Fields are written with it.
func FormatTime(us int64) string { return string(appendTime(nil, us)) }

// ParseTime reads what FormatTime writes and nothing else.
func ParseTime(s string) (int64, error) {
	us, ok := parseTime([]byte(s))
	if !ok {
		return 0, fmt.Errorf("reading time %q: want the form 2026-11-22T01:02:03.456789Z", s)
	}
	return us, nil
}

const (
	microsPerDay = 86_400_000_000
	timeBytes    = len("2026-11-22T01:02:03.456789Z")
)

// appendTime computes the calendar itself: time.Time.AppendFormat takes three times as long, and this runs for every entry that is
// written or verified.
func appendTime(dst []byte, us int64) []byte {
	day, rest := us/microsPerDay, us%microsPerDay
	if rest < 0 {
		day, rest = day-1, rest+microsPerDay
	}
	y, m, d := civil(day)
	dst = append(appendPadded(dst, y, 4), '-')
	dst = append(appendPadded(dst, m, 2), '-')
	dst = append(appendPadded(dst, d, 2), 'T')
	dst = append(appendPadded(dst, rest/3_600_000_000, 2), ':')
	dst = append(appendPadded(dst, rest/60_000_000%60, 2), ':')
	dst = append(appendPadded(dst, rest/1_000_000%60, 2), '.')
	return append(appendPadded(dst, rest%1_000_000, 6), 'Z')
}

func appendPadded(dst []byte, v int64, width int) []byte {
	var b [20]byte
	for i := width - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, b[:width]...)
}

// civil turns days since 1970 into a date of the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date
// algorithms").
func civil(day int64) (y, m, d int64) {
	z := day + 719468
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d, m = doy-(153*mp+2)/5+1, mp+3
	if m > 12 {
		m -= 12
	}
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

// daysSince1970 is the inverse of civil.
func daysSince1970(y, m, d int64) int64 {
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := y / 400
	yoe := y - era*400
	doe := yoe*365 + yoe/4 - yoe/100 + (153*(m-3)+2)/5 + d - 1
	return era*146097 + doe - 719468
}

const timeShape = "0000-00-00T00:00:00.000000Z" // a zero for each digit

// parseTime accepts what appendTime writes and nothing else.
func parseTime(b []byte) (int64, bool) {
	if len(b) != timeBytes {
		return 0, false
	}
	for i := range timeBytes {
		if digit := b[i] >= '0' && b[i] <= '9'; digit != (timeShape[i] == '0') || !digit && b[i] != timeShape[i] {
			return 0, false
		}
	}
	num := func(from, to int) (n int64) {
		for _, c := range b[from:to] {
			n = n*10 + int64(c) - '0'
		}
		return n
	}
	year, month, day := num(0, 4), num(5, 7), num(8, 10)
	hour, minute, second := num(11, 13), num(14, 16), num(17, 19)
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	us := daysSince1970(year, month, day)*microsPerDay + (hour*3600+minute*60+second)*1_000_000 + num(20, 26)
	return us, us >= 1 && us <= maxTime
}

func daysIn(year, month int64) int64 {
	switch {
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	case month != 2:
		return 31
	case year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	default:
		return 28
	}
}
