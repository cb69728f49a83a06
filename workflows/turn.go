package workflows

// turn is one decision in the making. Every event that is added is folded at once, so that what follows is decided on the state as it will
// be recorded, and nothing is ever decided that would not fold.
type turn struct {
	State
	out    Outcome
	stream StreamID
	now    Instant
	err    error
}

func newTurn(s State, id RequestID, now Instant) *turn {
	return &turn{State: s, stream: RequestStream(id), now: now}
}

// add records an event by somebody. After an error nothing more is added.
func (t *turn) add(by Acting, e Event) {
	if t.err != nil {
		return
	}
	r := Record{Stream: t.stream, Seq: t.Seq + 1, At: t.now, Actor: by.Actor, Person: by.Person, Policy: t.Policy, Event: e}
	if t.err = t.apply(&r); t.err != nil {
		return
	}
	t.Seq++
	t.out.Add(t.stream, by, t.Policy, e)
}

// done is the outcome, or that it could not be decided.
func (t *turn) done() (Outcome, error) {
	if t.err != nil {
		return Outcome{}, t.err
	}
	return t.out, nil
}

// Final is what the world is asked before an approval makes a grant.
type Final struct {
	Voters   map[PersonID]Standing // earlier voters, asked again
	Grant    GrantID               // id for the grant
	Gone     string                // why the submitted workflow cannot be granted any more; empty when it can
	Frozen   string                // name of the change freeze in force
	Conflict string                // as Ask.Conflict
}

// finish asks everybody who approved again and ends the request: as approved, or as superseded by what has changed meanwhile.
func (t *turn) finish(by Acting, voters []PersonID, f Final, a Answers) {
	over := func(code, why string) { t.add(System, Superseded{Code: code, Why: why}) }
	if f.Gone != "" {
		over(CodeNoPolicy, f.Gone)
		return
	}
	for _, p := range voters {
		if r := stillStands(f.Voters[p]); r != nil {
			over(r.Code, "An earlier approval no longer stands: "+r.Sentence)
			return
		}
	}
	switch {
	case f.Frozen != "":
		over(CodeFreeze, "The change freeze "+f.Frozen+" is in force, so nothing is granted.")
	case f.Conflict != "":
		over(CodeConflict, f.Conflict)
	default:
		if t.Asked.Request.Ahead() || t.Asked.Request == KindRoutine {
			f.Grant = ""
		}
		t.add(by, Approved{Digest: t.Asked.Digest, Grant: f.Grant, Answers: a})
	}
}

// stillStands is the short second question before a grant: is the voter still active, a member, the same person, and not
// removed from a standing list or group.
func stillStands(st Standing) *Refusal {
	if r := st.Refusal(); r != nil {
		return r
	}
	if !st.Selected {
		return Refuse(CodeNotApprover, "the person is no longer among the approvers.", "")
	}
	return nil
}

// openStage opens stage i for those of its roster who can decide. A roster that cannot meet the quorum is widened at once;
// one that cannot even then ends the request: waiting would only burn time.
func (t *turn) openStage(i int, rosters Rosters) {
	plan, r := t.Stages[i].Plan, rosters.stage(i)
	if rosters.Failed || !t.canMeet(i, r) {
		why := "Nobody could approve stage " + number(i+1) + " (" + plan.Name + ")."
		if rosters.Failed {
			why = "Who approves stage " + number(i+1) + " (" + plan.Name + ") could not be found out."
		}
		t.add(System, Superseded{Code: CodeNobody, Why: why})
		return
	}
	t.add(System, plan.opening(i, t.now.UTC, r, t.free(i, r.Approvers)))
	for t.err == nil && t.widenNow(rosters, false) {
		continue
	}
}

// canMeet tells whether everybody whom a stage could ask could meet its quorum together.
func (s *State) canMeet(i int, r StageRoster) bool {
	probe := StageState{Plan: s.Stages[i].Plan, Roster: s.free(i, r.everybody())}
	return s.Stages[i].Plan.missing(s.hope(&probe, i, func(Seat) bool { return true })) == 0
}

// opening is the event that opens a stage, with its moments: those that a calendar knew, else elapsed time. What comes from outside is
// kept between now and the time-out.
func (p PlannedStage) opening(i int, now Stamp, r StageRoster, first []Seat) StageOpened {
	end := now.Add(p.Timeout.Duration())
	moment := func(known Stamp, elapsed Span) Stamp {
		switch {
		case known != 0:
			return min(max(known, now+1), end)
		case elapsed > 0:
			return min(now.Add(elapsed.Duration()), end)
		}
		return 0
	}
	e := StageOpened{Stage: i, Roster: first, TimesOutAt: end, Told: r.Told, RemindAt: moment(r.RemindAt, p.Remind)}
	for k, tier := range p.Tiers {
		known := r.EscalateAt
		if k > 0 {
			known = 0
			if k-1 < len(r.ThenAt) {
				known = r.ThenAt[k-1]
			}
		}
		at := moment(known, max(tier.After, tier.Working))
		if k == 0 {
			e.EscalateAt = at
			continue
		}
		e.ThenAt = append(e.ThenAt, at)
	}
	for _, at := range r.ShiftsAt {
		if at > now && at < end && len(e.ShiftsAt) < MaxShifts && (len(e.ShiftsAt) == 0 || at > e.ShiftsAt[len(e.ShiftsAt)-1]) {
			e.ShiftsAt = append(e.ShiftsAt, at)
		}
	}
	return e
}

// wanting says why the open stage must be widened without waiting for its time, or nothing.
func (s *State) wanting(st *StageState) string {
	switch {
	case !st.hasMoreTiers():
		return ""
	case st.Hollow, s.short(st, st.Plan.isAvailable):
		return whyAbsent
	case s.isSilent(st) && s.short(st, func(seat Seat) bool { return st.Plan.isAvailable(seat) && !s.unreached(seat.Person) }):
		return whyUntold
	}
	return ""
}

// Why a stage was widened.
const (
	whyTime   = "time"
	whyAbsent = "nobody available"
	whyUntold = "nobody could be told"
)

// short tells whether too few of those on the roster pass for the quorum ever to be met.
func (s *State) short(st *StageState, pass func(Seat) bool) bool {
	return st.Plan.missing(s.hope(st, s.Current, pass)) > 0
}

// isSilent tells whether anybody could not be told at all.
func (s *State) isSilent(st *StageState) bool {
	for _, d := range s.Delivered {
		if !d.OK {
			return len(st.Roster) > 0
		}
	}
	return false
}

// unreached tells whether somebody could not be told that they are asked.
func (s *State) unreached(p PersonID) bool {
	d, ok := s.Delivered[askID(NoticeAsk, s.Current, p)]
	return ok && !d.OK
}

// widenNow opens the next tier if it is due: because its time has come, where that counts, or because those asked cannot meet the quorum.
func (t *turn) widenNow(rosters Rosters, timed bool) bool {
	st := t.open()
	if st == nil || rosters.Failed || !st.hasMoreTiers() {
		return false
	}
	why := ""
	if timed && st.isTierDue(t.now.UTC) {
		why = whyTime
	} else if why = t.wanting(st); why == "" {
		return false
	}
	e := StageEscalated{Stage: t.Current, Tier: st.TierOpen, Why: why}
	e.Added = widen(st.Roster, t.free(t.Current, rosters.stage(t.Current).tier(st.TierOpen)))
	if len(e.Added) == 0 {
		e.Skipped = "nobody new could be added"
	}
	t.add(System, e)
	return true
}

// isTierDue tells whether the time of the next tier has come. One that would come only when the stage is over never does.
func (s *StageState) isTierDue(now Stamp) bool {
	return s.hasMoreTiers() && s.tierAt() < s.TimesOutAt && now.After(s.tierAt())
}

func (s *StageState) isReminderDue(now Stamp) bool {
	return !s.Reminded && s.RemindAt < s.TimesOutAt && now.After(s.RemindAt)
}

func (s *StageState) isShiftDue(now Stamp) bool {
	return s.ShiftsDone < len(s.ShiftsAt) && now.After(s.ShiftsAt[s.ShiftsDone])
}
