//go:build ignore

// Forwarder writes a DLL to standard output whose only export is a function of
// another DLL, under another name. It has no code.
//
// Wine 8 lacks bcryptprimitives.dll, without which no program of Go 1.26
// starts. ProcessPrng is all that Go wants of it; advapi32's SystemFunction036
// takes the same arguments and answers alike:
//
//	go run forwarder.go bcryptprimitives.dll ProcessPrng advapi32.SystemFunction036
package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"log"
	"os"
)

// The file is one page of headers and one section.
const (
	headerBytes = 0x200
	sectionRVA  = 0x1000
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: forwarder NAME.dll EXPORT OTHER.FUNCTION")
	}
	if _, err := os.Stdout.Write(library(os.Args[1], os.Args[2], os.Args[3])); err != nil {
		log.Fatal(err)
	}
}

// library is a DLL for amd64 (PE32+ of the PE format).
func library(name, export, target string) []byte {
	section := exports(name, export, target)
	optional := pe.OptionalHeader64{
		Magic: 0x20b, SizeOfInitializedData: headerBytes, ImageBase: 0x180000000,
		SectionAlignment: sectionRVA, FileAlignment: headerBytes, SizeOfImage: 2 * sectionRVA, SizeOfHeaders: headerBytes,
		MajorOperatingSystemVersion: 6, MajorSubsystemVersion: 6, Subsystem: pe.IMAGE_SUBSYSTEM_WINDOWS_CUI,
		NumberOfRvaAndSizes: 16,
	}
	optional.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT] = pe.DataDirectory{VirtualAddress: sectionRVA, Size: uint32(len(section))}
	file := new(bytes.Buffer)
	file.WriteString("MZ")
	file.Write(make([]byte, 58))
	for _, part := range []any{
		uint32(64), // where the headers begin
		[]byte("PE\x00\x00"),
		pe.FileHeader{
			Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: uint16(binary.Size(optional)),
			Characteristics: pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE | pe.IMAGE_FILE_DLL,
		},
		optional,
		pe.SectionHeader32{
			Name: [8]uint8{'.', 'r', 'd', 'a', 't', 'a'}, VirtualSize: uint32(len(section)), VirtualAddress: sectionRVA,
			SizeOfRawData: headerBytes, PointerToRawData: headerBytes,
			Characteristics: pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ,
		},
	} {
		if err := binary.Write(file, binary.LittleEndian, part); err != nil {
			log.Fatal(err)
		}
	}
	file.Write(make([]byte, headerBytes-file.Len()))
	file.Write(append(section, make([]byte, headerBytes-len(section))...))
	return file.Bytes()
}

// exports is the export directory (.edata of the PE format): the directory, one
// entry in each of its three tables, and the names. The address of a function
// that is in the directory is that of a forwarder's name.
func exports(name, export, target string) []byte {
	const functions = sectionRVA + 40
	const names, ordinals, text = functions + 4, functions + 8, functions + 10
	exported := text + uint32(len(name)) + 1
	forwarded := exported + uint32(len(export)) + 1
	data := new(bytes.Buffer)
	directory := []uint32{0, 0, 0, text, 1, 1, 1, functions, names, ordinals, forwarded, exported}
	if err := binary.Write(data, binary.LittleEndian, directory); err != nil {
		log.Fatal(err)
	}
	data.WriteString("\x00\x00" + name + "\x00" + export + "\x00" + target + "\x00")
	return data.Bytes()
}
