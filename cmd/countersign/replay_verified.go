package main

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// verified judges what followed from asking again: a no that access hangs on ended it in the same transaction, and who says that they removed
// something by hand did not hold it.
func (j *judge) verified(h []workflows.Record) {
	approved := map[workflows.GrantID]grants.Approved{}
	for i, r := range h {
		switch e := r.Event.(type) {
		case grants.Approved:
			approved[e.Grant] = e
		case grants.Checked:
			j.out.Decisions++
			if no, ends := bindingNo(e); ends && !endsNext(h[i+1:], r, e.Grant) {
				j.wrong(r, "was answered with no (%s), and the access was not ended", no.Name)
			}
		case grants.RemovedByHand:
			j.out.Decisions++
			a := approved[e.Grant]
			if r.Person == "" || r.Person == a.Requester || r.Person == a.Identity.Person() {
				j.wrong(r, "takes the word of %s that access of their own is gone", orNobody(r.Person))
			}
			j.linked(r)
		}
	}
}

// bindingNo is the answer for which access had to end.
func bindingNo(e grants.Checked) (grants.Fact, bool) {
	for _, f := range e.Facts {
		if f.Answer == grants.No && f.Binds() && e.Trigger != grants.CheckStart {
			return f, true
		}
	}
	return grants.Fact{}, false
}

// endsNext tells whether the next entry of the stream ends the grant, at the same moment.
func endsNext(rest []workflows.Record, at workflows.Record, id workflows.GrantID) bool {
	if len(rest) == 0 {
		return false
	}
	e, ok := rest[0].Event.(grants.Ending)
	return ok && e.Grant == id && rest[0].At == at.At
}
