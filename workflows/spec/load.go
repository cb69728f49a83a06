package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Options is what Load cannot read from the folder.
type Options struct {
	Connectors []string // names that a target may use: "sshca", "postgres"

	// Params are the words that a connector understands in an entitlement's params, and those it cannot do without. A connector that is
	// not listed takes any.
	Params map[string]Params

	// Feed gives the last good copy of a feed that is named by its address, and nil where there is none: then nobody is on shift by it, and
	// it has no holidays. nil: there is none of any.
	Feed func(address string) []byte
}

// Params are the words of one connector.
type Params struct {
	Known     []string
	Needed    []string
	Either    []string // of Known; an entitlement has at least one of them
	Lists     []string // of Known, what its catalogue tells the possible values of
	Brokers   *Brokers // how it keeps a holder to a bastion and one command; nil: it cannot
	Makes     bool     // it can make the account of a new identity
	Scopes    bool     // it can let an account that is there do more
	Acts      []string // parameters that name the account by which the holder acts, each use attributed to the holder in the target's own log; none: it cannot tell who it was
	Grantless bool     // it grants nothing, such as a system of tickets: its targets have no entitlements
}

// Brokers are the words by which a connector keeps a holder to a bastion and one command.
type Brokers struct {
	Needed    []string            // parameters that every entitlement of a brokered target has
	Never     map[string][]string // parameter -> values that would lead around the bastion
	Addresses string              // of Needed: the one that names the bastion's addresses; "everywhere" is no bastion
}

// Folder is a configuration folder that was read and found good. It is immutable.
type Folder struct {
	company     *value
	roles       *value
	people      []*person
	groups      []*group
	identities  []*value
	ledger      *value
	calendars   []*value
	rotations   []*value
	risk        *value
	table       *workflows.RiskTable // of risk; nil: none
	conflicts   []*value
	watch       []*value
	campaigns   []*value
	escalations *value
	targets     []*target
	workflows   []*workflow
	runbooks    []*runbook
	tests       []*value
	stories     []*source
	feeds       map[string]*source // iCalendar files by name
	index       *index
	holidays    map[string][]calendar.Date // of each calendar
	icals       map[string]*calendar.Feed  // iCalendar files that could be read, and copies of feeds
	conditions  map[*value]int             // terms of each condition
	warnings    []Problem
	read        documents // what Refeed goes by
	opts        Options
}

// Warnings are lints: what is allowed and probably not meant, in the order of files and lines.
func (f *Folder) Warnings() []Problem { return f.warnings }

// The names inside the folder.
const (
	companyFile     = "countersign.yaml"
	peopleFile      = "people.yaml"
	rolesFile       = "roles.yaml"
	identitiesFile  = "identities.yaml"
	calendarsFile   = "calendars.yaml"
	rotationsFile   = "rotations.yaml"
	riskFile        = "risk.yaml"
	conflictsFile   = "conflicts.yaml"
	watchFile       = "watch.yaml"
	escalationsFile = "escalations.yaml"
	campaignsFile   = "campaigns.yaml"
	targetsDir      = "targets"
	workflowsDir    = "workflows"
	runbooksDir     = "runbooks"
	calendarsDir    = "calendars"
	testsDir        = "tests"
)

func fileNames() []string {
	return []string{companyFile, peopleFile, rolesFile, identitiesFile, ledgerFile, calendarsFile, rotationsFile, riskFile, conflictsFile, watchFile, escalationsFile, campaignsFile}
}

func dirNames() []string {
	return []string{targetsDir, workflowsDir, runbooksDir, calendarsDir, testsDir}
}

// Load reads the whole folder. When anything is wrong the error is a *Problems with everything that is; a folder with a
// problem is never used in part.
func Load(fsys fs.FS, opts Options) (*Folder, error) {
	l := &loader{fsys: fsys, r: &report{}}
	docs := l.readAll()
	if l.unread { // a file that is not YAML at all would make every name in it unknown
		return nil, l.r.err()
	}
	return judge(docs, l.r, opts)
}

// Refeed is the folder as it was read, with what feeds say now: nobody has to ask the disk again, where somebody may be in the midst of a change.
func (f *Folder) Refeed(feed func(address string) []byte) (*Folder, error) {
	opts := f.opts
	opts.Feed = feed
	return judge(f.read, &report{}, opts)
}

// judge holds documents of the right shape against each other.
func judge(docs documents, r *report, opts Options) (*Folder, error) {
	f := gather(docs)
	f.read, f.opts = docs, opts
	c := checker{report: r, f: f, connectors: opts.Connectors, params: opts.Params, copyOf: opts.Feed}
	c.check()
	if err := r.err(); err != nil {
		return nil, err
	}
	c.lint()
	f.warnings = c.warned.sorted()
	return f, nil
}

// documents is the folder as values of the right shape.
type documents struct {
	company, people, roles, identities, ledger   *value
	calendars, rotations, risk, conflicts, watch *value
	escalations                                  *value
	campaigns                                    *value
	targets, workflows, runbooks, tests          []*value
	stories                                      []*source
	feeds                                        map[string]*source
	steps                                        map[*source][]*step // of runbooks
}

type loader struct {
	fsys   fs.FS
	r      *report
	total  int
	unread bool
}

func (l *loader) readAll() documents {
	files, dirs := l.root()
	var d documents
	one := func(name string, s shape, need bool) *value {
		if !slices.Contains(files, name) {
			if need {
				l.lack(name)
			}
			return nil
		}
		return l.yaml(name, s)
	}
	d.company = one(companyFile, companyShape(), true)
	d.people = one(peopleFile, peopleShape(), true)
	d.roles = one(rolesFile, rolesShape(), true)
	d.identities = one(identitiesFile, identitiesShape(), false)
	d.ledger = one(ledgerFile, ledgerShape(), false)
	d.calendars = one(calendarsFile, calendarsShape(), false)
	d.rotations = one(rotationsFile, rotationsShape(), false)
	d.risk = one(riskFile, riskShape(), false)
	d.conflicts = one(conflictsFile, conflictsShape(), false)
	d.watch = one(watchFile, watchShape(), false)
	d.escalations = one(escalationsFile, escalationsShape(), false)
	d.campaigns = one(campaignsFile, campaignsShape(), false)
	many := func(dir, ext string, read func(string) *value) (out []*value) {
		if !slices.Contains(dirs, dir) {
			return nil
		}
		for _, n := range l.list(dir, ext) {
			if v := read(n); v != nil {
				out = append(out, v)
			}
		}
		return out
	}
	ts, ws, rs := targetShape(), workflowShape(), runbookShape()
	d.targets = many(targetsDir, ".yaml", func(n string) *value { return l.yaml(n, ts) })
	d.workflows = many(workflowsDir, ".yaml", func(n string) *value { return l.yaml(n, ws) })
	d.steps = map[*source][]*step{}
	d.runbooks = many(runbooksDir, ".md", func(n string) *value {
		v := l.runbook(n, rs)
		if v != nil {
			d.steps[v.src] = l.steps(v.src)
		}
		return v
	})
	d.feeds = map[string]*source{}
	many(calendarsDir, ".ics", func(n string) *value {
		d.feeds[n] = l.read(n)
		return nil
	})
	l.testFiles(dirs, &d)
	return d
}

// testFiles reads policy tests, and stories, which are not YAML.
func (l *loader) testFiles(dirs []string, d *documents) {
	if !slices.Contains(dirs, testsDir) {
		return
	}
	s := testsShape()
	for _, n := range l.list(testsDir, ".yaml", ".txt") {
		if path.Ext(n) == ".yaml" {
			if v := l.yaml(n, s); v != nil {
				d.tests = append(d.tests, v)
			}
		} else if src := l.read(n); src != nil {
			d.stories = append(d.stories, src)
		}
	}
}

func (l *loader) lack(name string) {
	l.unread = true
	l.r.file(name, "`countersign init DIR` writes a commented start", "the file is missing")
}

// root lists the top of the folder and refuses what does not belong there.
func (l *loader) root() (files, dirs []string) {
	for _, e := range l.entries(".") {
		n := e.Name()
		isFile, isFolder := slices.Contains(fileNames(), n), slices.Contains(dirNames(), n)
		switch {
		case !isFile && !isFolder:
			l.r.file(n, meantOr(n, append(fileNames(), dirNames()...)), "unknown file or folder")
		case isFile && e.IsDir():
			l.r.file(n, "", "is a folder, want a file")
		case isFile:
			files = append(files, n)
		case l.isDir(n, e):
			dirs = append(dirs, n)
		default:
			l.r.file(n, "", "is a file, want a folder")
		}
	}
	return files, dirs
}

// isDir follows a link: a mounted configuration map is made of links.
func (l *loader) isDir(name string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	i, err := fs.Stat(l.fsys, name)
	return err == nil && i.IsDir()
}

// entries is a directory without dotfiles and README, in the order of names.
func (l *loader) entries(dir string) []fs.DirEntry {
	all, err := fs.ReadDir(l.fsys, dir)
	if err != nil {
		l.unread = true
		l.r.file(dir, "", "cannot be listed: %v", cause(err))
		return nil
	}
	if len(all) > maxStray {
		l.unread = true
		l.r.file(dir, "", "holds %d files, at most %d are looked at", len(all), maxStray)
		return nil
	}
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool {
		return strings.HasPrefix(e.Name(), ".") || e.Name() == "README" || strings.HasPrefix(e.Name(), "README.")
	})
}

func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (l *loader) list(dir string, exts ...string) []string {
	var names []string
	for _, e := range l.entries(dir) {
		n := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			l.r.file(n, "", "folders inside %s are not read", dir)
		case !slices.Contains(exts, path.Ext(n)):
			l.r.file(n, "", "only %s files belong into %s", strings.Join(exts, " and "), dir)
		default:
			names = append(names, n)
		}
	}
	if len(names) > maxFiles {
		l.unread = true
		l.r.file(dir, "", "holds %d files, at most %d are read", len(names), maxFiles)
		return nil
	}
	return names
}

// read answers the bytes of a file within the limits, nil when they cannot be had.
func (l *loader) read(name string) *source {
	raw, err := readLimited(l.fsys, name)
	switch {
	case err != nil:
		l.r.file(name, "", "cannot be read: %v", cause(err))
	case len(raw) > maxFileBytes:
		l.r.file(name, "", "is larger than %d KiB", maxFileBytes>>10)
	case l.total+len(raw) > maxTotalBytes:
		l.r.file(name, "", "the folder is larger than %d MiB", maxTotalBytes>>20)
	default:
		l.total += len(raw)
		return &source{name: name, raw: raw, text: strings.Split(string(raw), "\n")}
	}
	l.unread = true
	return nil
}

func readLimited(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

func (l *loader) yaml(name string, s shape) *value {
	src := l.read(name)
	if src == nil {
		return nil
	}
	return l.shaped(src, src.raw, s)
}

func (l *loader) shaped(src *source, yaml []byte, s shape) *value {
	v := l.r.parse(src, yaml)
	if v == nil {
		l.unread = true
		return nil
	}
	l.r.conform(v, s)
	if v.bad {
		l.unread = true
		return nil
	}
	return v
}

// runbook reads the front matter of a document. Lines are counted from the start of the file.
func (l *loader) runbook(name string, s shape) *value {
	src := l.read(name)
	if src == nil {
		return nil
	}
	yaml, ok := frontMatter(src.raw)
	if !ok {
		l.unread = true
		l.r.file(name, "begin the file with a line ---, the keys, and another line ---", "has no front matter")
		return nil
	}
	if rest := src.raw[len(yaml):]; len(bytes.TrimSpace(rest[bytes.IndexByte(append(rest, '\n'), '\n'):])) == 0 {
		l.r.file(name, "write down what to do", "has no text after the front matter")
	}
	return l.shaped(src, yaml, s)
}

// steps reads the blocks of a runbook's steps. Lines are counted from the start of the file.
func (l *loader) steps(src *source) (out []*step) {
	shape := stepShape()
	for _, o := range incidents.ReadOutline(src.raw) {
		s := &step{Outlined: o}
		switch {
		case o.Twice:
			l.r.add((&value{src: src}).problem(o.Line, 1, "write them as one", "the step has more than one block"))
		case o.At > 0:
			s.value = l.shaped(src, append(bytes.Repeat([]byte("\n"), o.At-1), o.Block...), shape)
		}
		out = append(out, s)
	}
	blocks := 0
	for _, line := range src.text {
		if strings.TrimLeft(line, " ") == "```step" {
			blocks++
		}
	}
	for _, s := range out {
		if s.At > 0 {
			blocks--
		}
	}
	if blocks > 0 && len(l.r.all) == 0 {
		l.r.file(src.name, "put it under a heading that begins with Step, or into an item of the list under Steps", "a block of a step belongs to no step")
	}
	return out
}

// frontMatter is the bytes before the closing mark, the opening mark turned into blank so that lines stay the same.
func frontMatter(raw []byte) ([]byte, bool) {
	if !bytes.HasPrefix(raw, []byte("---\n")) {
		return nil, false
	}
	end := bytes.Index(raw[3:], []byte("\n---\n"))
	if end < 0 && bytes.HasSuffix(raw, []byte("\n---")) {
		end = len(raw) - 4 - 3
	}
	if end < 0 {
		return nil, false
	}
	yaml := bytes.Clone(raw[:3+end+1])
	copy(yaml, "   ")
	return yaml, true
}
