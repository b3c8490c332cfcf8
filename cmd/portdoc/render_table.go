package main

import (
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// column is a column of a table. All columns of a table have as many cells.
type column struct {
	title string
	cells []string
	// brief are the same cells in fewer words, the longest first.
	brief [][]string
	// least is the width to which long cells may be cut; 0 for never.
	least int
	// spare tells whether the column can be left out.
	spare bool
	// head tells whether the column is in the first line of a record.
	head bool
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
	if fitting := fit(columns, p.width); fitting != nil {
		p.grid(fitting)
	} else {
		p.records(columns)
	}
}

// inUse leaves out the columns in which nothing stands.
func inUse(columns []column) []column {
	return slices.DeleteFunc(columns, func(c column) bool {
		return strings.Trim(strings.Join(c.cells, ""), "-") == ""
	})
}

// fit makes the columns fit into the width: with brief and cut cells, else
// without the last spare columns. It returns nil if nothing helps.
func fit(columns []column, width int) []column {
	for {
		if over(columns, width) <= 0 {
			return columns
		}
		for form := range forms(columns) {
			if narrower := narrow(inForm(columns, form), width); narrower != nil {
				return narrower
			}
		}
		last := lastSpare(columns)
		if last < 0 {
			return nil
		}
		columns = slices.Delete(slices.Clone(columns), last, last+1)
	}
}

// forms is the number of brief forms, at least 1.
func forms(columns []column) int {
	most := 1
	for _, c := range columns {
		most = max(most, len(c.brief))
	}
	return most
}

// inForm are the columns with brief cells, as brief as the form's number says.
func inForm(columns []column, form int) []column {
	briefer := slices.Clone(columns)
	for i, c := range briefer {
		if len(c.brief) > 0 {
			briefer[i].cells = c.brief[min(form, len(c.brief)-1)]
		}
	}
	return briefer
}

func lastSpare(columns []column) int {
	for i := len(columns) - 1; i >= 0; i-- {
		if columns[i].spare {
			return i
		}
	}
	return -1
}

// over is by how much the columns are too wide.
func over(columns []column, width int) int {
	total := len(indent) - len(gutter)
	for _, c := range columns {
		total += c.width() + len(gutter)
	}
	return total - width
}

// narrow cuts cells so that the columns fit; nil if they do not even then.
func narrow(columns []column, width int) []column {
	excess := over(columns, width)
	narrower := slices.Clone(columns)
	for i, c := range narrower {
		if c.least == 0 || excess <= 0 {
			continue
		}
		target := max(c.least, displayWidth(c.title), c.width()-excess)
		excess -= c.width() - target
		narrower[i].cells = cut(c.cells, target)
	}
	if excess > 0 {
		return nil
	}
	return narrower
}

// cut shortens each cell to at most width columns.
func cut(cells []string, width int) []string {
	var shorter []string
	for _, cell := range cells {
		shorter = append(shorter, shorten(cell, width))
	}
	return shorter
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
		found := strings.Index(line[at:], cell)
		if found < 0 {
			return line
		}
		at += found
		shown := cell
		if c.painted != nil {
			shown = c.painted(cell)
		}
		line = line[:at] + shown + line[at+len(cell):]
		at += len(shown)
	}
	return line
}

// records writes each row as a paragraph: the head cells, and below them the
// others with their titles.
func (p *page) records(columns []column) {
	for row := range columns[0].cells {
		var head, rest []string
		for _, c := range columns {
			switch cell := c.cells[row]; {
			case c.head && cell != "" && c.shouted():
				head = append(head, cell)
			case c.head && cell != "":
				head = append(head, c.title+" "+cell)
			case strings.Trim(cell, "-") != "":
				rest = append(rest, p.labelled(c, row)+",")
			}
		}
		p.items(indent, head)
		if len(rest) > 0 {
			rest[len(rest)-1] = strings.TrimSuffix(rest[len(rest)-1], ",")
		}
		p.items(indent+indent, rest)
	}
}

// items writes items on as many lines as they need, and breaks only those that
// are longer than a line.
func (p *page) items(indent string, items []string) {
	if len(items) == 0 {
		return
	}
	width := p.width - len(indent)
	var words []string
	for _, item := range items {
		if displayWidth(item) <= width {
			words = append(words, item)
		} else {
			words = append(words, strings.Fields(item)...)
		}
	}
	for _, line := range fill(words, width) {
		p.line(indent + line)
	}
}

// labelled is a cell with its title before it, cut to a line if it can be.
func (p *page) labelled(c column, row int) string {
	label, cell := c.title+":", c.cells[row]
	if c.shouted() {
		label = strings.ToLower(c.title)
	}
	room := p.width - 2*len(indent) - len(label) - 2
	if displayWidth(cell) > room && len(c.brief) > 0 {
		cell = c.brief[0][row]
	}
	if c.least > 0 {
		cell = shorten(cell, max(c.least, room))
	}
	return label + " " + cell
}

// shouted tells whether the title is in capitals, and says nothing that is
// needed beside a cell.
func (c *column) shouted() bool { return c.title == strings.ToUpper(c.title) }
