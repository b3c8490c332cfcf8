package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"unicode"
	"unicode/utf8"
)

// writeJSON writes a value, as a report, as one JSON object: on one line, or
// indented for a person to read.
func writeJSON[T any](w io.Writer, value *T, indent bool) error {
	whole := *value
	fillSlices(reflect.ValueOf(&whole).Elem())
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if indent {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(&whole); err != nil {
		return err
	}
	_, err := w.Write(escapeInvisible(text.Bytes()))
	return err
}

// fillSlices makes the nil slices in a value empty, since the contract has no
// null in the place of an array.
func fillSlices(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillSlices(v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fillSlices(v.Elem())
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			fillSlices(v.Index(i))
		}
	}
}

// escapeInvisible writes the characters that encoding/json leaves alone and a
// terminal may obey (the C1 controls, marks that turn the writing direction)
// as \u escapes. They can only be inside strings, so the value stays the same.
func escapeInvisible(text []byte) []byte {
	if !bytes.ContainsFunc(text, invisible) {
		return text
	}
	var out bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case !invisible(r):
			out.Write(text[:size])
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		}
		text = text[size:]
	}
	return out.Bytes()
}

func invisible(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
