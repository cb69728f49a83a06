package slacksim

// readView checks the view argument of the views methods.
func (c *call) readView(kind string) (Object, Object) {
	o, size, ok := decodeView(c.args["view"])
	switch {
	case !ok:
		return nil, failWith("invalid_arguments", []string{"[ERROR] missing required field: view"})
	case size > maxViewBytes:
		return nil, fail("view_too_large")
	}
	if problems := c.w.rules.checkView(kind, o); len(problems) > 0 {
		return nil, failWith("invalid_arguments", problems)
	}
	return o, nil
}

// answerView is the answer of the views methods. State comes back empty there, as Slack sends it.
func (c *call) answerView(v *view) Object {
	o := c.w.viewObject(v)
	o["state"] = Object{"values": Object{}}
	return Object{"ok": true, "view": o}
}

func viewsOpen(c *call) Object {
	w := c.w
	o, problem := c.readView("modal")
	if problem != nil {
		return problem
	}
	if id, _ := o["external_id"].(string); w.externalIDTaken(id, nil) {
		return fail("duplicate_external_id")
	}
	user, code := w.spendTrigger(c.str("trigger_id"))
	if code != "" {
		return fail(code)
	}
	v := w.makeView(user, o, nil)
	w.stacks[user] = []*view{v}
	w.touch()
	return c.answerView(v)
}

func viewsPush(c *call) Object {
	w := c.w
	o, problem := c.readView("modal")
	if problem != nil {
		return problem
	}
	if id, _ := o["external_id"].(string); w.externalIDTaken(id, nil) {
		return fail("duplicate_external_id")
	}
	if t := w.triggers[c.str("trigger_id")]; t != nil {
		switch n := len(w.stacks[t.user]); {
		case n == 0:
			return fail("not_found")
		case n >= maxViewStack:
			return fail("push_limit_reached")
		}
	}
	user, code := w.spendTrigger(c.str("trigger_id"))
	if code != "" {
		return fail(code)
	}
	v := w.makeView(user, o, nil)
	w.push(user, v)
	w.touch()
	return c.answerView(v)
}

func viewsUpdate(c *call) Object {
	w := c.w
	var old *view
	id, external := c.str("view_id"), c.str("external_id")
	for _, v := range w.allViews() {
		if (id != "" && v.id == id) || (id == "" && external != "" && v.externalID == external) {
			old = v
		}
	}
	if old == nil {
		return fail("not_found")
	}
	o, problem := c.readView(old.kind)
	if problem != nil {
		return problem
	}
	if h := c.str("hash"); h != "" && h != old.hash {
		return fail("hash_conflict")
	}
	if ext, _ := o["external_id"].(string); w.externalIDTaken(ext, old) {
		return fail("duplicate_external_id")
	}
	v := w.makeView(old.user, o, old)
	w.replace(v)
	w.touch()
	return c.answerView(v)
}

func viewsPublish(c *call) Object {
	w := c.w
	u := w.findUserID(c.str("user_id"))
	if u == nil || u.Deleted {
		return fail("user_not_found")
	}
	o, problem := c.readView("home")
	if problem != nil {
		return problem
	}
	old := w.homes[u.ID]
	if h := c.str("hash"); h != "" && (old == nil || h != old.hash) {
		return fail("hash_conflict")
	}
	if ext, _ := o["external_id"].(string); w.externalIDTaken(ext, old) {
		return fail("duplicate_external_id")
	}
	w.homes[u.ID] = w.makeView(u.ID, o, old)
	w.touch()
	return c.answerView(w.homes[u.ID])
}
