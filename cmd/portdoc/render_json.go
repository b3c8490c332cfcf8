package main

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// writeJSON writes a value, as a report, as one JSON object: on one line, or
// indented for a person to read. It is what encoding/json writes, with two
// differences: a nil slice is an empty array, since the contract has no null
// in the place of one, and characters that a terminal may obey are escaped.
//
// encoding/json takes 0.2 ms to learn the types of a report, of the 5 that a
// whole `portdoc why --json` takes; this walks over them once.
func writeJSON[T any](w io.Writer, value *T, indent bool) error {
	text := jsonText{indent: indent}
	if err := text.value(reflect.ValueOf(value).Elem()); err != nil {
		return err
	}
	_, err := w.Write(append(text.bytes, '\n'))
	return err
}

// jsonText is a JSON text that grows.
type jsonText struct {
	bytes  []byte
	indent bool
	depth  int
}

// value appends a value of one of the kinds that reports are made of.
func (t *jsonText) value(v reflect.Value) error {
	if moment, ok := v.Interface().(time.Time); ok {
		t.bytes = moment.AppendFormat(append(t.bytes, '"'), time.RFC3339Nano)
		t.bytes = append(t.bytes, '"')
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return t.object(v)
	case reflect.Slice:
		return t.array(v)
	case reflect.Pointer:
		if !v.IsNil() {
			return t.value(v.Elem())
		}
		t.bytes = append(t.bytes, "null"...)
	case reflect.String:
		t.string(v.String())
	case reflect.Bool:
		t.bytes = strconv.AppendBool(t.bytes, v.Bool())
	case reflect.Int, reflect.Int64:
		t.bytes = strconv.AppendInt(t.bytes, v.Int(), 10)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		t.bytes = strconv.AppendUint(t.bytes, v.Uint(), 10)
	case reflect.Float64:
		t.bytes = strconv.AppendFloat(t.bytes, v.Float(), 'f', -1, 64)
	default:
		return fmt.Errorf("a %s has no place in a report", v.Type())
	}
	return nil
}

func (t *jsonText) object(v reflect.Value) error {
	t.open('{')
	if err := t.members(v); err != nil {
		return err
	}
	t.close('{', '}')
	return nil
}

// members appends the fields of a struct; those of an embedded one stand among
// them.
func (t *jsonText) members(v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if err := t.members(v.Field(i)); err != nil {
				return err
			}
			continue
		}
		name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		if option == "omitempty" && v.Field(i).IsZero() {
			continue
		}
		t.next('{')
		t.string(name)
		t.bytes = append(t.bytes, ':')
		if t.indent {
			t.bytes = append(t.bytes, ' ')
		}
		if err := t.value(v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (t *jsonText) array(v reflect.Value) error {
	t.open('[')
	for i := range v.Len() {
		t.next('[')
		if err := t.value(v.Index(i)); err != nil {
			return err
		}
	}
	t.close('[', ']')
	return nil
}

func (t *jsonText) open(bracket byte) {
	t.bytes = append(t.bytes, bracket)
	t.depth++
}

// next begins another member or element after the bracket or the one before.
func (t *jsonText) next(bracket byte) {
	if t.bytes[len(t.bytes)-1] != bracket {
		t.bytes = append(t.bytes, ',')
	}
	t.line()
}

// close ends an object or array; an empty one stays on its line.
func (t *jsonText) close(opened, bracket byte) {
	t.depth--
	if t.bytes[len(t.bytes)-1] != opened {
		t.line()
	}
	t.bytes = append(t.bytes, bracket)
}

func (t *jsonText) line() {
	if !t.indent {
		return
	}
	t.bytes = append(t.bytes, '\n')
	for range t.depth {
		t.bytes = append(t.bytes, "  "...)
	}
}

// jsonEscapes are the characters below the space that have a short escape.
var jsonEscapes = [' ']byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// string appends a string. Bytes that are no UTF-8 become U+FFFD.
func (t *jsonText) string(s string) {
	t.bytes = append(t.bytes, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			t.bytes = append(t.bytes, '\\', byte(r))
		case r < ' ' && jsonEscapes[r] != 0:
			t.bytes = append(t.bytes, '\\', jsonEscapes[r])
		case r > 0xffff && invisible(r):
			t.bytes = fmt.Appendf(t.bytes, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case r < ' ' || invisible(r):
			t.bytes = fmt.Appendf(t.bytes, `\u%04x`, r)
		default:
			t.bytes = utf8.AppendRune(t.bytes, r)
		}
	}
	t.bytes = append(t.bytes, '"')
}

// invisible characters are those that a terminal may obey beyond the controls
// of ASCII: the C1 controls, and marks that turn the writing direction.
func invisible(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
