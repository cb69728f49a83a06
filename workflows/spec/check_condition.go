package spec

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/countersign-bot/countersign/workflows"
)

// judged is a condition that was found good.
type judged struct {
	terms []string    // what is joined by && at the top, each in one spelling
	ahead cel.Program // evaluates it with what is known before anybody asks; nil when that cannot be done
}

// condition checks one condition against the workflow whose asks it judges; nil when it was refused. granting tells that the rule
// lets something through.
func (c *checker) condition(w *workflow, v *value, granting bool) *judged {
	e := c.envOf(w)
	tree, issues := e.Compile(v.scalar())
	if list := issues.Errors(); len(list) > 0 {
		text, hint := c.celWords(w, v.text, list[0])
		c.inside(v, list[0].Location.Line(), list[0].Location.Column(), hint, "%s: %s", v.path, text)
		return nil
	}
	if out := tree.OutputType(); !out.IsExactType(types.BoolType) {
		c.at(v, "compare it with something", "%s: the condition is %s, want true or false", v.path, typeWords(out.String()))
		return nil
	}
	x := &conditionCheck{checker: c, w: w, v: v, tree: tree.NativeRep()}
	before := len(c.all)
	x.walk()
	if len(c.all) > before {
		return nil
	}
	switch top := x.tree.Expr(); {
	case granting && onlyNetwork(top):
		c.at(v, "say what else must hold; where somebody sits can take access away, never give it", "%s: only the network is looked at", v.path)
		return nil
	case c.tooCostly(e, tree):
		c.at(v, "compare with == instead of searching in texts", "%s: the condition could take more than %d steps", v.path, maxConditionCost)
		return nil
	}
	ahead, err := e.Program(tree, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(maxConditionCost))
	if err != nil {
		ahead = nil // nothing is known ahead then, which is always right
	}
	return &judged{terms: x.terms(x.tree.Expr()), ahead: ahead}
}

// envOf is the language with the fields of the workflow's form.
func (c *checker) envOf(w *workflow) *cel.Env {
	fields := map[string]*types.Type{}
	var sign []string
	for _, f := range w.list("fields") {
		if t := fieldType(f.str("type")); t != nil {
			fields[f.str("name")] = t
			sign = append(sign, f.str("name")+" "+t.String())
		}
	}
	slices.Sort(sign)
	id := strings.Join(sign, ",")
	if e, ok := c.envs[id]; ok {
		return e
	}
	registry, err := types.NewRegistry()
	var e *cel.Env
	if err == nil {
		e, err = conditionEnv(cel.CustomTypeProvider(&inputTypes{Registry: registry, fields: fields}), cel.Variable("fields", cel.ObjectType("fields")))
	}
	if err != nil {
		panic("spec: the environment of conditions does not build: " + err.Error()) // made of constants and checked names
	}
	c.envs[id] = e
	return e
}

// sizes are the longest values that the inputs can have, for the estimate of costs.
type sizes struct{}

// EstimateCallCost leaves the costs of calls to the standard model.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// EstimateSize bounds the values that come from outside.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if len(n.Path()) == 0 {
		return nil
	}
	switch n.Path()[0] {
	case "fields":
		return &cost.SizeEstimate{Max: workflows.MaxFieldText}
	case "requester":
		if n.Type().Kind() == types.ListKind {
			return &cost.SizeEstimate{Max: maxGroups}
		}
	}
	return &cost.SizeEstimate{Max: maxLine}
}

func (c *checker) tooCostly(e *cel.Env, tree *cel.Ast) bool {
	est, err := e.EstimateCost(tree, sizes{})
	return err != nil || est.Max > maxConditionCost
}

// conditionCheck looks at the words of one condition.
type conditionCheck struct {
	*checker
	w       *workflow
	v       *value
	tree    *ast.AST
	guarded map[string]bool // fields that stand in has()
	inputs  int
}

// say reports at the place of one part of the condition.
func (x *conditionCheck) say(e ast.Expr, hint, format string, args ...any) {
	at := x.tree.SourceInfo().GetStartLocation(e.ID())
	x.inside(x.v, at.Line(), at.Column(), hint, format, args...)
}

func (x *conditionCheck) walk() {
	x.guarded = map[string]bool{}
	ast.PreOrderVisit(x.tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
			x.guarded[e.AsSelect().FieldName()] = true
		}
	}))
	ast.PreOrderVisit(x.tree.Expr(), ast.NewExprVisitor(x.visit))
	if x.inputs == 0 {
		x.at(x.v, "leave when out: then every ask meets it", "%s: nothing of the ask is looked at", x.v.path)
	}
}

func (x *conditionCheck) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		x.inputs++
		x.ident(e, e.AsIdent())
	case ast.SelectKind:
		x.field(e)
	case ast.CallKind:
		x.call(e, e.AsCall())
	}
}

// ident refuses inputs that this workflow never has.
func (x *conditionCheck) ident(e ast.Expr, name string) {
	switch name {
	case "tier", "risk":
		if len(x.ix.tiers) == 0 {
			x.say(e, "write a "+riskFile, "%s: %s, but there is no table of risks", x.v.path, name)
		}
	case "business", "freeze":
		if !x.w.has("calendar") {
			x.say(e, "calendar: name", "%s: %s, but the workflow has no calendar", x.v.path, name)
		}
	case "severity":
		if x.choicesOf("severity") == nil {
			x.say(e, "fields: [{name: severity, label: Severity, type: choice, choices: [...]}]", "%s: severity, but the form has no choice of that name", x.v.path)
		}
	}
}

// field wants has() round what may be empty.
func (x *conditionCheck) field(e ast.Expr) {
	s := e.AsSelect()
	if s.Operand().Kind() != ast.IdentKind || s.Operand().AsIdent() != "fields" || s.IsTestOnly() {
		return
	}
	for _, f := range x.w.list("fields") {
		if f.str("name") == s.FieldName() && f.flag("optional") && !x.guarded[s.FieldName()] {
			x.say(e, fmt.Sprintf("has(fields.%[1]s) && fields.%[1]s …", s.FieldName()), "%s: field %q may be empty", x.v.path, s.FieldName())
		}
	}
}

func (x *conditionCheck) call(e ast.Expr, call ast.CallExpr) {
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals, operators.In:
		x.compare(args[0], args[1])
		x.compare(args[1], args[0])
	case "duration", "timestamp":
		s, ok := literal(args[0])
		if !ok {
			x.say(args[0], "", "%s: %s wants a text in quotes", x.v.path, call.FunctionName())
			return
		}
		if out := spanOrMoment(call.FunctionName(), s); out != "" {
			x.say(args[0], "", "%s: %s", x.v.path, out)
		}
	}
}

func spanOrMoment(function, s string) string {
	if function == "duration" {
		if _, err := ParseSpan(s); err != nil {
			return err.Error()
		}
		return ""
	}
	if types.IsError(types.String(s).ConvertToType(types.TimestampType)) {
		return fmt.Sprintf("bad moment %q: want such as 2026-12-24T00:00:00Z", s)
	}
	return ""
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok
}

// compare holds the texts that an input is compared with to what it can be.
func (x *conditionCheck) compare(input, with ast.Expr) {
	path := pathOf(input)
	if path == "" {
		return
	}
	texts := []ast.Expr{with}
	if with.Kind() == ast.ListKind {
		texts = with.AsList().Elements()
	}
	person := slices.Contains([]string{"requester.id", "requester.manager", "subject.owner", "target.owner"}, path)
	known, what := x.known(path)
	for _, t := range texts {
		s, ok := literal(t)
		switch {
		case !ok, s == "":
		case person:
			x.say(t, `name a group: "dba" in requester.groups`, "%s: people do not stand in conditions", x.v.path)
		case known != nil && !slices.Contains(known, s):
			x.say(t, meantOr(s, known), "%s: %s is never %q", x.v.path, what, s)
		}
	}
}

// pathOf is "target.environment" or "day" of an expression that is only a name, else empty.
func pathOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if p := pathOf(e.AsSelect().Operand()); p != "" && !e.AsSelect().IsTestOnly() {
			return p + "." + e.AsSelect().FieldName()
		}
	}
	return ""
}

// known is what an input can be, nil when that is open.
func (x *conditionCheck) known(path string) (words []string, what string) {
	what = path
	switch path {
	case "requester.groups":
		return keys(x.ix.groups), "a group of the requester"
	case "requester.kind":
		return []string{kindPerson}, what
	case "subject.kind":
		return principalKinds(), what
	case "subject.managed_by":
		return []string{"internal", "contractor", "vendor", "low-code"}, what
	case "subject.strength":
		return []string{workflows.StrengthStatic, workflows.StrengthBound, workflows.StrengthFederated}, what
	case "subject.environment":
		return x.ofIdentities("environment"), what
	case "target.id", "target.environment", "target.data_class", "entitlement.id", "entitlement.action", "entitlement.breadth":
		return x.ofGrants(path), what
	case "tier":
		return x.ix.tiers, what
	case "channel":
		return []string{"slack", "cli", "api"}, what
	case "day":
		return []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}, what
	case "freeze":
		return x.freezesOf(x.w), what
	case "severity":
		return x.choicesOf("severity"), what
	}
	if f, ok := strings.CutPrefix(path, "fields."); ok {
		return x.ofField(f), "field " + f
	}
	return nil, what
}

func (x *conditionCheck) ofIdentities(key string) (out []string) {
	for _, i := range x.f.identities {
		out = append(out, i.str(key))
	}
	return out
}

// ofGrants is the words that the workflow's own grants have under a key.
func (x *conditionCheck) ofGrants(path string) []string {
	of, key, _ := strings.Cut(path, ".")
	out := []string{}
	for _, g := range x.w.list("grants") {
		e, ok := x.ix.entitlements[g.scalar()]
		switch {
		case !ok:
			return nil
		case of == "target":
			out = append(out, e.on.str(key))
		default:
			out = append(out, e.str(key))
		}
	}
	if len(out) == 0 {
		return nil // a runbook's approval is for no target
	}
	return out
}

func (x *conditionCheck) choicesOf(name string) []string {
	for _, f := range x.w.list("fields") {
		if f.str("name") == name && f.str("type") == workflows.FieldChoice {
			return f.strs("choices")
		}
	}
	return nil
}

func (x *conditionCheck) ofField(name string) []string {
	for _, f := range x.w.list("fields") {
		if f.str("name") != name {
			continue
		}
		switch f.str("type") {
		case workflows.FieldChoice:
			return f.strs("choices")
		case workflows.FieldTarget:
			return keys(x.ix.targets)
		case workflows.FieldIdentity:
			return keys(x.ix.identities)
		}
	}
	return nil
}

// onlyNetwork tells whether there is a way to meet the condition by the network alone.
func onlyNetwork(e ast.Expr) bool {
	if e.Kind() == ast.CallKind {
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.LogicalAnd:
			return !slices.ContainsFunc(args, func(a ast.Expr) bool { return !onlyNetwork(a) })
		case operators.LogicalOr:
			return slices.ContainsFunc(args, onlyNetwork)
		case operators.Conditional:
			return onlyNetwork(args[1]) || onlyNetwork(args[2])
		}
	}
	names := map[string]bool{}
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			names[e.AsIdent()] = true
		}
	}))
	return names["network"] && len(names) == 1
}

// terms is what is joined by && at the top, in one spelling each: how specific a condition is, and what it shares with another.
func (x *conditionCheck) terms(e ast.Expr) (out []string) {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		for _, a := range e.AsCall().Args() {
			out = append(out, x.terms(a)...)
		}
		return out
	}
	s, err := cel.ExprToString(e, x.tree.SourceInfo())
	if err != nil {
		s = fmt.Sprintf("#%d", e.ID()) // a term that cannot be spelled is like no other
	}
	return []string{s}
}
