package netstate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// elfProgram is what a 64-bit little-endian ELF file says of itself: numbers
// and offsets are those of the System V ABI (gABI, "Object Files"; elf(5)).
//
// debug/elf would do, and costs an answer between 0.05 and 0.3 ms as it was
// measured: it reads every header by reflection, and brings three ways of
// decompression.
type elfProgram struct {
	file io.ReaderAt
	// left is how many bytes may still be read.
	left     uint64
	machine  uint16
	code     []elfRange
	sections [][]byte
}

// elfRange is a part of a file that is mapped to be run.
type elfRange struct{ offset, size uint64 }

const (
	elfHeaderLength        = 64
	elfProgramHeaderLength = 56
	elfSectionHeaderLength = 64
	elfDynamicLength       = 16
	elfSymbolLength        = 24

	elfSegmentLoad       = 1  // PT_LOAD
	elfSegmentExecutable = 1  // PF_X
	elfSectionDynamic    = 6  // SHT_DYNAMIC
	elfSectionSymbols    = 11 // SHT_DYNSYM
	elfDynamicNeeded     = 1  // DT_NEEDED

	elfMachineX86     = 62  // EM_X86_64
	elfMachineAArch64 = 183 // EM_AARCH64
)

var (
	errNoELF    = errors.New("it is no 64-bit ELF file")
	errTooLarge = errors.New("the executable's tables are too large")
)

// readELF reads the headers of a file. Of the whole file no more than limit
// bytes are ever read.
func readELF(file io.ReaderAt, limit uint64) (*elfProgram, error) {
	p := &elfProgram{file: file, left: limit}
	header, err := p.read(elfRange{0, elfHeaderLength})
	if err != nil || !bytes.HasPrefix(header, []byte("\x7fELF\x02\x01")) {
		return nil, errNoELF
	}
	p.machine = binary.LittleEndian.Uint16(header[18:])
	segments, err := p.table(header[32:], header[54:], elfProgramHeaderLength)
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		if binary.LittleEndian.Uint32(s) == elfSegmentLoad && s[4]&elfSegmentExecutable != 0 {
			p.code = append(p.code, elfRange{binary.LittleEndian.Uint64(s[8:]), binary.LittleEndian.Uint64(s[32:])})
		}
	}
	p.sections, err = p.table(header[40:], header[58:], elfSectionHeaderLength)
	return p, err
}

// table reads a table of headers: where says the offset of the first, count the
// length of one and how many there are.
func (p *elfProgram) table(where, count []byte, length uint64) ([][]byte, error) {
	number := uint64(binary.LittleEndian.Uint16(count[2:]))
	if uint64(binary.LittleEndian.Uint16(count)) != length && number > 0 {
		return nil, errNoELF
	}
	return p.records(elfRange{binary.LittleEndian.Uint64(where), number * length}, length)
}

// records cuts a part of the file into pieces of one length.
func (p *elfProgram) records(at elfRange, length uint64) ([][]byte, error) {
	data, err := p.read(at)
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for ; uint64(len(data)) >= length; data = data[length:] {
		records = append(records, data[:length])
	}
	return records, nil
}

func (p *elfProgram) read(at elfRange) ([]byte, error) {
	if at.size > p.left || at.offset > 1<<62 {
		return nil, errTooLarge
	}
	p.left -= at.size
	data := make([]byte, at.size)
	_, err := p.file.ReadAt(data, int64(at.offset))
	return data, err
}

// needed are the libraries that it is linked with.
func (p *elfProgram) needed() ([]string, error) {
	return p.names(elfSectionDynamic, elfDynamicLength, func(entry []byte) (uint64, bool) {
		return binary.LittleEndian.Uint64(entry[8:]), binary.LittleEndian.Uint64(entry) == elfDynamicNeeded
	})
}

// imported are the symbols that it takes from libraries.
func (p *elfProgram) imported() ([]string, error) {
	return p.names(elfSectionSymbols, elfSymbolLength, importedSymbol)
}

// importedSymbol is where the name of a symbol is, and whether it is taken from
// elsewhere: it is in no section (SHN_UNDEF), and not local to the file.
func importedSymbol(entry []byte) (name uint64, ok bool) {
	local := entry[4]>>4 == 0
	return uint64(binary.LittleEndian.Uint32(entry)), !local && binary.LittleEndian.Uint16(entry[6:]) == 0
}

// names are the names that the entries of a kind of section refer to, in the
// string table that the section is linked with.
func (p *elfProgram) names(kind uint32, length uint64, nameOf func([]byte) (uint64, bool)) ([]string, error) {
	var names []string
	for _, section := range p.sections {
		if binary.LittleEndian.Uint32(section[4:]) != kind {
			continue
		}
		entries, err := p.records(sectionRange(section), length)
		if err != nil {
			return nil, err
		}
		texts, err := p.linked(section)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			at, wanted := nameOf(entry)
			switch {
			case !wanted:
			case at >= uint64(len(texts)):
				return nil, errNoELF
			default:
				name, _, _ := bytes.Cut(texts[at:], []byte{0})
				names = append(names, string(name))
			}
		}
	}
	return names, nil
}

// linked is what is in the section that another one names.
func (p *elfProgram) linked(section []byte) ([]byte, error) {
	link := uint64(binary.LittleEndian.Uint32(section[40:]))
	if link >= uint64(len(p.sections)) {
		return nil, errNoELF
	}
	return p.read(sectionRange(p.sections[link]))
}

func sectionRange(header []byte) elfRange {
	return elfRange{binary.LittleEndian.Uint64(header[24:]), binary.LittleEndian.Uint64(header[32:])}
}
