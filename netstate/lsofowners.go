package netstate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// lsofArguments ask for the sockets of one network on some ports, local or
// remote, with no names looked up and no warnings printed.
func lsofArguments(network Network, ports portSet) []string {
	list := make([]string, len(ports))
	for i, r := range ports {
		list[i] = strconv.Itoa(int(r.First))
		if r.Last != r.First {
			list[i] += "-" + strconv.Itoa(int(r.Last))
		}
	}
	return []string{"-nPw", "-i" + strings.ToUpper(string(network)) + ":" + strings.Join(list, ","), "-F" + lsofFields}
}

// anyOpen tells whether any socket can have owners that are not known yet.
func anyOpen(rows []xnuSocket) bool {
	return slices.ContainsFunc(rows, func(s xnuSocket) bool { return s.open })
}

// setLsofOwners gives the rows the owners that lsof shows: by the control block
// where the two sources have one in common, else by addresses. Of several
// sockets at one place one whose last user is known is that user's; the others
// get all the owners that are left there, of which each has one of them.
func setLsofOwners(rows []xnuSocket, files []lsofFile) {
	byBlock := make(map[uint64]int)
	byPlace := make(map[place][]int)
	for i := range rows {
		if rows[i].open {
			byBlock[rows[i].controlBlock] = i
			byPlace[rows[i].place()] = append(byPlace[rows[i].place()], i)
		}
	}
	delete(byBlock, 0)
	var rest []lsofFile
	exact := make(map[Network]bool)
	for _, f := range files {
		if i, found := byBlock[f.controlBlock]; found {
			rows[i].addOwner(f)
			exact[f.network] = true
		} else {
			rest = append(rest, f)
		}
	}
	for at, files := range filesByPlace(rest) {
		if sockets := byPlace[at]; !exact[at.network] && len(sockets) > 0 {
			setOwnersAtPlace(rows, sockets, files)
		}
	}
	sortOwners(rows)
}

func filesByPlace(files []lsofFile) map[place][]lsofFile {
	groups := make(map[place][]lsofFile)
	for _, f := range files {
		groups[f.place()] = append(groups[f.place()], f)
	}
	return groups
}

// setOwnersAtPlace shares the files of one place out among its sockets. Files
// with the same control block are one socket.
func setOwnersAtPlace(rows []xnuSocket, sockets []int, files []lsofFile) {
	blocks := make(map[uint64][]lsofFile)
	for _, f := range files {
		blocks[f.controlBlock] = append(blocks[f.controlBlock], f)
	}
	var unsettled []int
	for _, i := range sockets {
		block, certain := blockOfUser(blocks, rows[i].LastPID)
		if !certain || len(sockets) == 1 {
			unsettled = append(unsettled, i)
			continue
		}
		for _, f := range blocks[block] {
			rows[i].addOwner(f)
		}
		delete(blocks, block)
	}
	for _, i := range unsettled {
		for _, files := range blocks {
			for _, f := range files {
				rows[i].addOwner(f)
			}
		}
	}
}

// blockOfUser finds the one socket among several that a process has open.
func blockOfUser(blocks map[uint64][]lsofFile, pid int) (block uint64, certain bool) {
	for b, files := range blocks {
		if slices.ContainsFunc(files, func(f lsofFile) bool { return f.pid == pid }) {
			if certain {
				return 0, false
			}
			block, certain = b, true
		}
	}
	return block, certain && block != 0
}

func (s *xnuSocket) addOwner(f lsofFile) {
	i := slices.IndexFunc(s.Owners, func(o Owner) bool { return o.PID == f.pid })
	if i < 0 {
		i = len(s.Owners)
		s.Owners = append(s.Owners, Owner{PID: f.pid})
	}
	if o := &s.Owners[i]; !slices.Contains(o.FDs, f.fd) {
		o.FDs = append(o.FDs, f.fd)
	}
	if s.ownerUsers == nil {
		s.ownerUsers = make(map[uint32]bool)
	}
	if f.uid != nil {
		s.ownerUsers[*f.uid] = true
	}
}

func sortOwners(rows []xnuSocket) {
	for _, s := range rows {
		slices.SortFunc(s.Owners, func(a, b Owner) int { return cmp.Compare(a.PID, b.PID) })
		for _, o := range s.Owners {
			slices.Sort(o.FDs)
		}
	}
}

// ownersUnseen says of which open sockets owners may be missing. failure is why
// lsof could not be asked, "" if it was.
//
// The process that used a socket last is no proof of who has it open: it may
// have passed the socket on and closed it, or have ended and left its number
// to another. So it is named beside the socket ([Socket.LastPID]) and never
// made an owner, and the limit stays.
func ownersUnseen(rows []xnuSocket, privileged bool, failure string) []Limit {
	var none, others []uint64
	for _, s := range rows {
		switch {
		case !s.open:
		case len(s.Owners) == 0:
			none = append(none, s.Inode)
		case s.UID != nil && !s.ownerUsers[*s.UID]:
			others = append(others, s.Inode)
		}
	}
	why := failure
	if why == "" && !privileged {
		why = "lsof shows the processes of other users only to root"
	}
	if why == "" {
		return nil
	}
	var limits []Limit
	for _, part := range []struct {
		inodes []uint64
		more   string
	}{{none, ""}, {others, "further "}} {
		slices.Sort(part.inodes)
		if inodes := slices.Compact(part.inodes); len(inodes) > 0 {
			limits = append(limits, ownersLimit(inodes, part.more, why))
		}
	}
	return limits
}
