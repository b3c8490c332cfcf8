package main

import (
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// column is a column of a table. All columns of a table have as many cells.
type column struct {
	title string
	cells []string
	// least is the width to which long cells may be cut; 0 for never.
	least int
	// painted colours a cell; nil for none.
	painted func(cell string) string
}

// indent is in front of each line of a table, gutter between two columns.
const (
	indent = "  "
	gutter = "  "
)

// table writes columns side by side where there is room, else one record below
// the other.
func (p *page) table(columns []column) {
	columns = inUse(columns)
	if len(columns) == 0 {
		return
	}
	p.line("")
	if narrow(columns, p.width) {
		p.grid(columns)
	} else {
		p.records(columns)
	}
}

// inUse leaves out the columns in which nothing stands.
func inUse(columns []column) []column {
	var used []column
	for _, c := range columns {
		if strings.Trim(strings.Join(c.cells, ""), "-") != "" {
			used = append(used, c)
		}
	}
	return used
}

// narrow cuts cells so that the table fits, if that is possible, and tells
// whether it does.
func narrow(columns []column, width int) bool {
	over, spare := len(indent)-len(gutter)-width, 0
	for _, c := range columns {
		over += c.width() + len(gutter)
		spare += c.spare()
	}
	if over > spare {
		return false
	}
	for _, c := range columns {
		cut := min(max(over, 0), c.spare())
		over -= cut
		c.cut(c.width() - cut)
	}
	return true
}

// spare is the number of columns by which the cells can be cut.
func (c *column) spare() int {
	if c.least == 0 {
		return 0
	}
	return max(0, c.width()-max(c.least, displayWidth(c.title)))
}

// cut makes the cells at most width columns wide.
func (c *column) cut(width int) {
	for i := range c.cells {
		c.cells[i] = shorten(c.cells[i], width)
	}
}

func (c *column) width() int {
	width := displayWidth(c.title)
	for _, cell := range c.cells {
		width = max(width, displayWidth(cell))
	}
	return width
}

// grid writes the columns side by side, aligned by the table writer.
func (p *page) grid(columns []column) {
	var text strings.Builder
	t := tablewriter.NewTable(&text, tablewriter.WithConfig(plainTable()),
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})))
	t.Header(titles(columns))
	for row := range columns[0].cells {
		if err := t.Append(cellsOf(columns, row)); err != nil {
			panic(err) // strings can always be appended
		}
	}
	if err := t.Render(); err != nil {
		panic(err) // a strings.Builder never fails
	}
	for i, line := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
		line = indent + strings.TrimRight(line, " ")
		if i > 0 && p.color {
			line = paintCells(line, columns, i-1)
		}
		p.line(line)
	}
}

// plainTable is a table without lines whose cells are shown as they are.
func plainTable() tablewriter.Config {
	cell := tw.CellConfig{
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft},
		Formatting: tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone},
		Padding:    tw.CellPadding{Global: tw.Padding{Right: gutter, Overwrite: true}},
	}
	return tablewriter.Config{Header: cell, Row: cell, Behavior: tw.Behavior{TrimSpace: tw.Off}}
}

func titles(columns []column) []string {
	var all []string
	for _, c := range columns {
		all = append(all, c.title)
	}
	return all
}

func cellsOf(columns []column, row int) []string {
	var all []string
	for _, c := range columns {
		all = append(all, c.cells[row])
	}
	return all
}

// paintCells colours the cells of a finished row. Between two cells there is
// nothing but padding, so each is the next place where its text stands.
func paintCells(line string, columns []column, row int) string {
	at := 0
	for _, c := range columns {
		cell := c.cells[row]
		at += max(0, strings.Index(line[at:], cell))
		shown := cell
		if c.painted != nil {
			shown = c.painted(cell)
		}
		line = line[:at] + shown + line[at+len(cell):]
		at += len(shown)
	}
	return line
}

// records writes each row as a paragraph: the first two cells, and below them
// the others with their titles.
func (p *page) records(columns []column) {
	head := min(2, len(columns))
	for row := range columns[0].cells {
		cells := cellsOf(columns, row)
		if first := strings.TrimSpace(strings.Join(cells[:head], gutter)); first != "" {
			p.line(indent + first)
		}
		var rest []string
		for i, c := range columns[head:] {
			if cell := cells[head+i]; strings.Trim(cell, "-") != "" {
				rest = append(rest, strings.ToLower(c.title)+" "+cell+",")
			}
		}
		if len(rest) == 0 {
			continue
		}
		rest[len(rest)-1] = strings.TrimSuffix(rest[len(rest)-1], ",")
		for _, line := range fill(rest, p.width-2*len(indent)) {
			p.line(indent + indent + line)
		}
	}
}
