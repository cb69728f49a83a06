package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	celvalue "cel.dev/cel-go/common/types/ref"

	"github.com/countersign-bot/countersign/workflows"
)

// Inputs is what a condition may look at.
type Inputs = workflows.Inputs

// Conditions evaluates the conditions of rules. A text is compiled once; the answer depends on the text and the inputs and on nothing else:
// there is no clock, no randomness and no loop in the language. It may be used by many at once.
type Conditions struct {
	env *cel.Env

	mu       sync.Mutex
	programs map[string]compiledCondition
}

type compiledCondition struct {
	program cel.Program
	err     error
}

// NewConditions makes an evaluator for any workflow: the fields of the form have the types that the inputs say.
func NewConditions() *Conditions {
	e, err := conditionEnv(cel.Variable("fields", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		panic("spec: the environment of conditions does not build: " + err.Error()) // made of constants, held by every test of conditions
	}
	return &Conditions{env: e, programs: map[string]compiledCondition{}}
}

// Eval answers whether the condition holds. An error says that it cannot be told: a name without a value, an input that is not known, a cost
// above the limit. Whoever asks must refuse then; it never means no.
func (c *Conditions) Eval(expr string, in Inputs) (bool, error) {
	p, err := c.program(expr)
	if err != nil {
		return false, err
	}
	vars, err := activation(in)
	if err != nil {
		return false, fmt.Errorf("evaluating %q: %w", expr, err)
	}
	out, _, err := p.Eval(vars)
	if err != nil {
		return false, fmt.Errorf("evaluating %q: %w", expr, err)
	}
	yes, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("evaluating %q: the answer is %s, want true or false", expr, out.Type().TypeName())
	}
	return yes, nil
}

func (c *Conditions) program(expr string) (cel.Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.programs[expr]; ok {
		return p.program, p.err
	}
	if len(c.programs) >= maxPrograms { // policies change rarely; the next asks compile what they need again
		clear(c.programs)
	}
	p, err := c.compile(expr)
	c.programs[expr] = compiledCondition{p, err}
	return p, err
}

func (c *Conditions) compile(expr string) (cel.Program, error) {
	if n := len([]rune(expr)); n > maxCondition {
		return nil, fmt.Errorf("condition of %d characters, at most %d are allowed", n, maxCondition)
	}
	ast, issues := c.env.Compile(expr)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("condition %q: %w", expr, err)
	}
	return c.env.Program(ast, cel.CostLimit(maxConditionCost), cel.EvalOptions(cel.OptOptimize))
}

// conditionEnv is the language: comparisons, and, or, not, membership, arithmetic of times, a few questions about texts. Macros that loop,
// regular expressions and conversions are left out: what is not there cannot be slow or surprising.
func conditionEnv(more ...cel.EnvOption) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return cel.NewCustomEnv(append([]cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(allowedFunctions())),
		cel.CustomTypeProvider(&inputTypes{Registry: registry}),
		cel.CustomTypeAdapter(registry),
		cel.Function("duration", cel.Overload("duration_of_the_files", []*cel.Type{cel.StringType}, cel.DurationType, cel.UnaryBinding(spanValue))),
		cel.ParserRecursionLimit(maxConditionDepth),
		cel.ParserExpressionSizeLimit(4 * maxCondition),
		cel.Variable("requester", cel.ObjectType("requester")),
		cel.Variable("subject", cel.ObjectType("subject")),
		cel.Variable("target", cel.ObjectType("target")),
		cel.Variable("entitlement", cel.ObjectType("entitlement")),
		cel.Variable("duration", cel.DurationType),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("day", cel.StringType),
		cel.Variable("hour", cel.IntType),
		cel.Variable("business", cel.BoolType),
		cel.Variable("freeze", cel.StringType),
		cel.Variable("risk", cel.IntType),
		cel.Variable("tier", cel.StringType),
		cel.Variable("severity", cel.StringType),
		cel.Variable("channel", cel.StringType),
		cel.Variable("network", cel.StringType),
		cel.Variable("renewals", cel.IntType),
	}, more...)...)
}

// conditionNames are the words that a condition may begin with, for "did you mean".
func conditionNames() []string {
	return []string{
		"requester", "subject", "target", "entitlement", "fields", "duration", "now", "day", "hour", "business", "freeze", "risk", "tier",
		"severity", "channel", "network", "renewals",
	}
}

func allowedFunctions() *env.LibrarySubset {
	only := func(name string, ids ...string) *env.Function {
		f := &env.Function{Name: name}
		for _, id := range ids {
			f.Overloads = append(f.Overloads, &env.Overload{ID: id})
		}
		return f
	}
	return &env.LibrarySubset{
		IncludeMacros: []string{operators.Has},
		IncludeFunctions: []*env.Function{
			only(operators.Conditional), only(operators.LogicalAnd), only(operators.LogicalOr), only(operators.LogicalNot),
			only(operators.Equals), only(operators.NotEquals), only(operators.In, overloads.InList),
			only(operators.Less, overloads.LessInt64, overloads.LessTimestamp, overloads.LessDuration),
			only(operators.LessEquals, overloads.LessEqualsInt64, overloads.LessEqualsTimestamp, overloads.LessEqualsDuration),
			only(operators.Greater, overloads.GreaterInt64, overloads.GreaterTimestamp, overloads.GreaterDuration),
			only(operators.GreaterEquals, overloads.GreaterEqualsInt64, overloads.GreaterEqualsTimestamp, overloads.GreaterEqualsDuration),
			only(operators.Add, overloads.AddInt64, overloads.AddTimestampDuration, overloads.AddDurationDuration),
			only(operators.Subtract, overloads.SubtractInt64, overloads.SubtractTimestampDuration, overloads.SubtractTimestampTimestamp, overloads.SubtractDurationDuration),
			only(operators.Negate, overloads.NegateInt64),
			only(overloads.Size, overloads.SizeListInst, overloads.SizeStringInst),
			only(overloads.StartsWith), only(overloads.EndsWith), only(overloads.Contains),
			only(overloads.TypeConvertTimestamp, overloads.StringToTimestamp),
		},
	}
}

// spanValue is duration("2d"): the grammar of the files, not that of Go, so that a rule reads like the rest of them.
func spanValue(v celvalue.Val) celvalue.Val {
	s, ok := v.Value().(string)
	if !ok {
		return types.NewErr("duration: want a text")
	}
	span, err := ParseSpan(s)
	if err != nil {
		return types.NewErr("duration: %s", err.Error())
	}
	return types.Duration{Duration: span.Duration()}
}

// inputTypes knows the members of the inputs, so that a name that no input has is found when the file is read.
type inputTypes struct {
	*types.Registry
	fields map[string]*types.Type // of the form; nil: they are not an object here
}

func (p *inputTypes) object(name string) map[string]*types.Type {
	switch name {
	case "requester":
		return map[string]*types.Type{"id": types.StringType, "groups": types.NewListType(types.StringType), "zone": types.StringType, "manager": types.StringType, "kind": types.StringType, "watched": types.NewListType(types.StringType)}
	case "subject":
		return map[string]*types.Type{"id": types.StringType, "kind": types.StringType, "owner": types.StringType, "environment": types.StringType, "self": types.BoolType, "managed_by": types.StringType, "strength": types.StringType, "findings": types.NewListType(types.StringType), "across": types.BoolType, "watched": types.NewListType(types.StringType)}
	case "target":
		return map[string]*types.Type{"id": types.StringType, "environment": types.StringType, "data_class": types.StringType, "owner": types.StringType}
	case "entitlement":
		return map[string]*types.Type{"id": types.StringType, "action": types.StringType, "breadth": types.StringType}
	case "fields":
		return p.fields
	}
	return nil
}

// FindStructType, FindStructFieldNames and FindStructFieldType answer the type checker.
func (p *inputTypes) FindStructType(name string) (*types.Type, bool) {
	if p.object(name) == nil {
		return nil, false
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

// FindStructFieldNames lists the members of an input.
func (p *inputTypes) FindStructFieldNames(name string) ([]string, bool) {
	o := p.object(name)
	return keys(o), o != nil
}

// FindStructFieldType answers the type of a member. Values are maps, so it has no getters.
func (p *inputTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := p.object(name)[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: t}, true
}

// activation gives the inputs their values. What is not known is left out, so that a condition that needs it cannot be told.
func activation(in Inputs) (map[string]any, error) {
	fields := make(map[string]any, len(in.Fields))
	for name, f := range in.Fields {
		v, err := fieldValue(f)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
		fields[name] = v
	}
	groups := orEmpty(in.Requester.Groups)
	out := map[string]any{
		"requester": map[string]any{
			"id": string(in.Requester.ID), "groups": groups, "zone": in.Requester.Zone, "manager": string(in.Requester.Manager), "kind": in.Requester.Kind,
			"watched": orEmpty(in.Requester.Watched),
		},
		"subject": map[string]any{
			"id": string(in.Subject.ID), "kind": in.Subject.Kind, "owner": string(in.Subject.Owner), "environment": in.Subject.Environment, "self": in.Subject.Self,
			"managed_by": in.Subject.ManagedBy, "strength": in.Subject.Strength, "findings": orEmpty(in.Subject.Findings), "across": in.Subject.Across,
			"watched": orEmpty(in.Subject.Watched),
		},
		"target": map[string]any{
			"id": string(in.Target.ID), "environment": in.Target.Environment, "data_class": in.Target.DataClass, "owner": string(in.Target.Owner),
		},
		"entitlement": map[string]any{"id": string(in.Entitlement.ID), "action": in.Entitlement.Action, "breadth": in.Entitlement.Breadth},
		"fields":      fields, "duration": in.Seconds.Duration(), "now": in.Now.Time(), "day": in.Day, "hour": int64(in.Hour), "business": in.Business,
		"freeze": in.Freeze, "risk": int64(in.Risk), "severity": in.Severity, "channel": in.Channel, "renewals": int64(in.Renewals),
	}
	for name, v := range map[string]string{"network": in.Network, "tier": in.Tier} {
		if v != "" {
			out[name] = v
		}
	}
	return out, nil
}

// fieldValue is a value of the form in the type that conditions compare it in.
func fieldValue(f workflows.InputField) (any, error) {
	switch f.Type {
	case workflows.FieldNumber:
		n, err := strconv.ParseInt(f.Value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", f.Value)
		}
		return n, nil
	case workflows.FieldDuration:
		s, err := ParseSpan(f.Value)
		return s.Duration(), err
	case workflows.FieldDateTime:
		var s workflows.Stamp
		if err := s.UnmarshalText([]byte(f.Value)); err != nil {
			return nil, err
		}
		return s.Time(), nil
	case workflows.FieldText, "":
		return nil, errors.New("free text is no input of a condition")
	}
	return f.Value, nil
}

// fieldType is the type of a field for the checker; nil for those that conditions do not see.
func fieldType(typ string) *types.Type {
	switch typ {
	case workflows.FieldNumber:
		return types.IntType
	case workflows.FieldDuration:
		return types.DurationType
	case workflows.FieldDateTime:
		return types.TimestampType
	case workflows.FieldChoice, workflows.FieldTicket, workflows.FieldTarget, workflows.FieldIdentity, workflows.FieldPerson, workflows.FieldNewID, workflows.FieldOffer:
		return types.StringType
	}
	return nil
}

// typeWords says a type as people would.
func typeWords(t string) string {
	t = strings.TrimSpace(t)
	switch t {
	case "int":
		return "a whole number"
	case "double":
		return "a fraction"
	case "uint":
		return "a number"
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "duration", "google.protobuf.Duration":
		return "a length of time"
	case "timestamp", "google.protobuf.Timestamp":
		return "a moment"
	case "list(string)":
		return "a list of texts"
	}
	if inner, ok := strings.CutPrefix(t, "list("); ok {
		return "a list of " + strings.TrimPrefix(typeWords(strings.TrimSuffix(inner, ")")), "a ")
	}
	return t
}

// orEmpty is a list that is never nil: an empty list can be looked at.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
