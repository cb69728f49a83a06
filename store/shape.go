package store

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shape is what encoding/json makes of a type, found out once: how a value becomes the plain maps, lists and strings of a leaf, and
// which value a reader of that leaf would get back. Going through JSON text for both, as readers do, takes ten times as long, and the
// writer does it for every entry. TestShapesSpeakJSON holds the two ways to each other; a type that is not covered goes through JSON.
type shape struct {
	kind   shapeKind
	fields []shapeField // of a struct
	elem   *shape       // of a list, a map, a pointer
	plain  bool         // a list or map of plain strings, which leaves take as it is
}

type shapeKind int

const (
	shapeString shapeKind = iota
	shapeInt
	shapeBool
	shapeText // speaks for itself: encoding.TextMarshaler
	shapeStruct
	shapeList
	shapeMap
	shapePointer
)

type shapeField struct {
	index     int
	name      string
	omitEmpty bool
	omitZero  bool
	quoted    bool // an integer as a string
	sealed    bool
	*shape
}

// maxShapeDepth keeps a type that holds itself from being followed for ever; leaves are no deeper.
const maxShapeDepth = 16

// shapeOf gives nil for a type that is left to encoding/json.
func shapeOf(t reflect.Type, depth int) *shape {
	if depth == 0 {
		return nil
	}
	text := reflect.TypeFor[encoding.TextMarshaler]()
	if t.Implements(text) && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return &shape{kind: shapeText}
	}
	if t.Implements(text) || implementsJSON(t) || implementsJSON(reflect.PointerTo(t)) {
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		return &shape{kind: shapeString}
	case reflect.Bool:
		return &shape{kind: shapeBool}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &shape{kind: shapeInt}
	case reflect.Struct:
		return structShape(t, depth)
	case reflect.Slice:
		return holdingShape(shapeList, t, depth)
	case reflect.Pointer:
		return holdingShape(shapePointer, t, depth)
	case reflect.Map:
		if t.Key().Kind() != reflect.String || t.Key().Implements(text) {
			return nil
		}
		return holdingShape(shapeMap, t, depth)
	default:
		return nil
	}
}

// implementsJSON asks by interface: a program that looks methods up by name keeps every exported method of everything it links.
func implementsJSON(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		t.Implements(reflect.TypeFor[interface{ IsZero() bool }]())
}

func holdingShape(kind shapeKind, t reflect.Type, depth int) *shape {
	elem := shapeOf(t.Elem(), depth-1)
	if elem == nil {
		return nil
	}
	return &shape{kind: kind, elem: elem, plain: t == reflect.TypeFor[[]string]() || t == reflect.TypeFor[map[string]string]()}
}

func structShape(t reflect.Type, depth int) *shape {
	out := &shape{kind: shapeStruct}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" && options == "" || !f.IsExported() && !f.Anonymous {
			continue
		}
		s := shapeOf(f.Type, depth-1)
		if s == nil || f.Anonymous || strings.ContainsFunc(name, isOddInName) {
			return nil
		}
		if name == "" {
			name = f.Name
		}
		field := shapeField{index: f.Index[0], name: name, sealed: f.Tag.Get("seal") == "true", shape: s}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				field.omitEmpty = true
			case "omitzero":
				field.omitZero = true
			case "string":
				if s.kind != shapeInt {
					return nil
				}
				field.quoted = true
			case "":
			default:
				return nil
			}
		}
		out.fields = append(out.fields, field)
	}
	return out
}

// isOddInName finds what encoding/json does not take in a name.
func isOddInName(r rune) bool {
	return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// leftOut tells whether encoding/json leaves a member out, or writes a null that the profile leaves out.
func (f *shapeField) leftOut(v reflect.Value) bool {
	switch f.kind {
	case shapeStruct:
		return f.omitZero && v.IsZero()
	case shapeList, shapeMap:
		return v.IsNil() || f.omitEmpty && v.Len() == 0
	case shapePointer:
		return v.IsNil()
	case shapeText:
		return f.omitZero && v.IsZero() || f.omitEmpty && isEmptyScalar(v)
	default:
		return (f.omitZero || f.omitEmpty) && v.IsZero()
	}
}

// isEmptyScalar is the emptiness of omitempty, which looks at kinds and not at methods.
func isEmptyScalar(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct, reflect.Array:
		return false
	default:
		return v.IsZero()
	}
}

// members gives the fields of a leaf, those to be sealed taken out.
func (s *shape) members(v reflect.Value) (fields map[string]any, sealed map[string]string, err error) {
	fields, sealed = make(map[string]any, len(s.fields)), make(map[string]string)
	for i := range s.fields {
		f := &s.fields[i]
		x := v.Field(f.index)
		if f.sealed {
			if err := f.takeTexts(sealed, x); err != nil {
				return nil, nil, err
			}
			continue
		}
		if f.leftOut(x) {
			continue
		}
		if fields[f.name], err = f.member(x); err != nil {
			return nil, nil, err
		}
	}
	return fields, sealed, nil
}

func (f *shapeField) member(v reflect.Value) (any, error) {
	if f.quoted {
		return strconv.FormatInt(v.Int(), 10), nil
	}
	return f.plainValue(v)
}

// takeTexts is takeSealed without JSON between.
func (f *shapeField) takeTexts(dst map[string]string, v reflect.Value) error {
	switch f.kind {
	case shapeString:
		if v.Len() > 0 {
			dst[f.name] = v.String()
		}
	case shapeList:
		for i := range v.Len() {
			dst[f.name+sealedSep+strconv.Itoa(i)] = v.Index(i).String()
		}
	default:
		for it := v.MapRange(); it.Next(); {
			dst[f.name+sealedSep+it.Key().String()] = it.Value().String()
		}
	}
	for name, text := range dst {
		if !utf8.ValidString(text) || !utf8.ValidString(name) {
			return errNotText
		}
	}
	return nil
}

// plainValue turns a value into what a leaf is made of.
func (s *shape) plainValue(v reflect.Value) (any, error) {
	switch s.kind {
	case shapeString:
		return v.String(), nil
	case shapeBool:
		return v.Bool(), nil
	case shapeInt:
		return v.Int(), nil
	case shapeText:
		b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		return string(b), err
	case shapePointer:
		return s.elem.plainValue(v.Elem())
	case shapeList:
		return s.plainList(v)
	case shapeMap:
		return s.plainMap(v)
	default:
		out := make(map[string]any, len(s.fields))
		for i := range s.fields {
			f := &s.fields[i]
			x := v.Field(f.index)
			if f.leftOut(x) {
				continue
			}
			m, err := f.member(x)
			if err != nil {
				return nil, err
			}
			out[f.name] = m
		}
		return out, nil
	}
}

func (s *shape) isNull(v reflect.Value) bool {
	return (s.kind == shapeList || s.kind == shapeMap || s.kind == shapePointer) && v.IsNil()
}

func (s *shape) plainList(v reflect.Value) (any, error) {
	if s.plain {
		return v.Interface(), nil
	}
	out := make([]any, v.Len())
	for i := range out {
		x := v.Index(i)
		if s.elem.isNull(x) {
			return nil, fmt.Errorf("element %d is missing", i)
		}
		var err error
		if out[i], err = s.elem.plainValue(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *shape) plainMap(v reflect.Value) (any, error) {
	if s.plain {
		return v.Interface(), nil
	}
	out := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		if s.elem.isNull(it.Value()) {
			continue
		}
		x, err := s.elem.plainValue(it.Value())
		if err != nil {
			return nil, err
		}
		out[it.Key().String()] = x
	}
	return out, nil
}

// readBack sets dst, which is zero, to what a reader of the leaf gets for src. It shares nothing with src.
func (s *shape) readBack(dst, src reflect.Value) error {
	switch s.kind {
	case shapeText:
		b, err := src.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return err
		}
		return dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(b)
	case shapePointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return s.elem.readBack(dst.Elem(), src.Elem())
	case shapeList:
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			if err := s.elem.readBack(dst.Index(i), src.Index(i)); err != nil {
				return err
			}
		}
	case shapeMap:
		return s.readBackMap(dst, src)
	case shapeStruct:
		for i := range s.fields {
			f := &s.fields[i]
			x := src.Field(f.index)
			if f.leftOut(x) || f.sealed && (f.kind == shapeList || f.kind == shapeMap) && x.Len() == 0 {
				continue
			}
			if err := f.readBack(dst.Field(f.index), x); err != nil {
				return fmt.Errorf("%q: %w", f.name, err)
			}
		}
	default:
		dst.Set(src)
	}
	return nil
}

func (s *shape) readBackMap(dst, src reflect.Value) error {
	t := dst.Type()
	dst.Set(reflect.MakeMapWithSize(t, src.Len()))
	for it := src.MapRange(); it.Next(); {
		if s.elem.isNull(it.Value()) {
			continue
		}
		x := reflect.New(t.Elem()).Elem()
		if err := s.elem.readBack(x, it.Value()); err != nil {
			return err
		}
		dst.SetMapIndex(it.Key(), x)
	}
	return nil
}
