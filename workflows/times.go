package workflows

// Lasts is when the access of a request begins and ends if it is approved now: the agreed start, the length that was asked for, and no later
// than the field that ends it and than last (zero: no such limit), which is where a row of extensions must end. start is zero for access that
// begins at once.
func (s State) Lasts(now Instant, last Stamp) (start Stamp, end Instant) {
	from := now
	if s.Asked.NotBefore > now.UTC {
		start = s.Asked.NotBefore
		from = now.Add(start.Sub(now.UTC))
	}
	end = from.Add(s.Asked.Seconds.Duration())
	for _, limit := range []Stamp{s.Asked.NoLaterThan, last} {
		if limit != 0 && limit < end.UTC {
			end = end.Add(limit.Sub(end.UTC))
		}
	}
	return start, end
}
