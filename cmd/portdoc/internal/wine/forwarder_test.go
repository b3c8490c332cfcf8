package wine

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"testing"
)

// forwarder is a DLL whose only export is one function of another DLL, under
// another name. It has no code. Wine 8 lacks bcryptprimitives.dll, without
// which no program of Go 1.26 starts; ProcessPrng, all that Go wants of it,
// takes the same arguments as advapi32's SystemFunction036 and answers alike.
func forwarder(name, export, target string) []byte {
	const headers, section = 0x200, 0x1000 // the section's data is behind the headers in the file
	data := exports(section, name, export, target)
	file := new(bytes.Buffer)
	dos := make([]byte, 64)
	copy(dos, "MZ")
	dos[60] = byte(len(dos)) // where the rest begins
	file.Write(dos)
	file.WriteString("PE\x00\x00")
	optional := pe.OptionalHeader64{
		Magic: 0x20b, SizeOfInitializedData: 0x200, ImageBase: 0x180000000,
		SectionAlignment: 0x1000, FileAlignment: 0x200, SizeOfImage: 2 * section, SizeOfHeaders: headers,
		MajorOperatingSystemVersion: 6, MajorSubsystemVersion: 6, Subsystem: pe.IMAGE_SUBSYSTEM_WINDOWS_CUI,
		NumberOfRvaAndSizes: 16,
	}
	optional.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT] = pe.DataDirectory{VirtualAddress: section, Size: uint32(len(data))}
	for _, header := range []any{
		pe.FileHeader{
			Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: uint16(binary.Size(optional)),
			Characteristics: pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE | pe.IMAGE_FILE_DLL,
		},
		optional,
		pe.SectionHeader32{
			Name: [8]uint8{'.', 'r', 'd', 'a', 't', 'a'}, VirtualSize: uint32(len(data)), VirtualAddress: section,
			SizeOfRawData: 0x200, PointerToRawData: headers, Characteristics: pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ,
		},
	} {
		binary.Write(file, binary.LittleEndian, header) // a Buffer takes everything
	}
	file.Write(make([]byte, headers-file.Len()))
	file.Write(append(data, make([]byte, 0x200-len(data))...))
	return file.Bytes()
}

// exports is an export directory (PE format, section 6.3) that will be loaded
// at an address: the directory, an entry in each of its three tables, and the
// names. An address of a function inside the directory is that of a name.
func exports(at uint32, name, export, target string) []byte {
	const directory = 40
	functions, names, ordinals := at+directory, at+directory+4, at+directory+8
	text := at + directory + 10
	exported := text + uint32(len(name)) + 1
	forwarded := exported + uint32(len(export)) + 1
	data := new(bytes.Buffer)
	for _, word := range []uint32{0, 0, 0, text, 1, 1, 1, functions, names, ordinals, forwarded, exported} {
		binary.Write(data, binary.LittleEndian, word)
	}
	data.Write([]byte{0, 0}) // the ordinal
	data.WriteString(name + "\x00" + export + "\x00" + target + "\x00")
	return data.Bytes()
}

func TestForwarder(t *testing.T) {
	file, err := pe.NewFile(bytes.NewReader(forwarder("a.dll", "Export", "other.Function")))
	if err != nil {
		t.Fatal(err)
	}
	data, err := file.Section(".rdata").Data()
	if err != nil {
		t.Fatal(err)
	}
	if want := "a.dll\x00Export\x00other.Function\x00"; !bytes.Contains(data, []byte(want)) {
		t.Errorf("no %q in % x", want, data)
	}
}
