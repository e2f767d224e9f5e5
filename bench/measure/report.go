package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Format is the version of the JSON; it changes when a field changes its meaning or goes.
const Format = 1

// Report is what a benchmark has found.
type Report struct {
	Format    int       `json:"format"`
	Benchmark string    `json:"benchmark"`
	Command   string    `json:"command"`
	Began     time.Time `json:"began"`
	Seconds   float64   `json:"seconds"`
	Machine   Machine   `json:"machine"`
	// Versions are of the programs that took part.
	Versions map[string]string `json:"versions"`
	Facts    []Fact            `json:"facts"`
	Groups   []*Group          `json:"groups"`
}

// Fact is something that one must know to judge the numbers.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// New begins a report.
func New(benchmark, command string) *Report {
	return &Report{
		Format: Format, Benchmark: benchmark, Command: command, Began: time.Now().UTC().Truncate(time.Second),
		Machine: ThisMachine(), Versions: map[string]string{},
	}
}

// Fact adds one, unless it is there already.
func (r *Report) Fact(name, format string, args ...any) {
	f := Fact{name, fmt.Sprintf(format, args...)}
	if !slices.Contains(r.Facts, f) {
		r.Facts = append(r.Facts, f)
	}
}

// Group adds an empty one, whose subjects are compared by the value named key: less is better.
func (r *Report) Group(name, key string) *Group {
	g := &Group{Name: name, Key: key}
	r.Groups = append(r.Groups, g)
	return g
}

// WriteFile ends the report and writes it as JSON.
func (r *Report) WriteFile(path string) error {
	r.Seconds = time.Since(r.Began).Round(time.Second).Seconds()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Group compares.
type Group struct {
	Name     string     `json:"name"`
	Facts    []Fact     `json:"facts"`
	Key      string     `json:"compared_by"`
	Subjects []*Subject `json:"subjects"`
}

// Fact adds one.
func (g *Group) Fact(name, format string, args ...any) {
	g.Facts = append(g.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

// Role says how a subject counts.
type Role string

const (
	Ours      Role = "ours"
	Peer      Role = "peer"
	Reference Role = "reference"
)

// Subject is one that does the work.
type Subject struct {
	Name   string `json:"name"`
	Role   Role   `json:"role"`
	How    string `json:"how"` // the form in which it was run
	Runs   []Run  `json:"runs"`
	Median Values `json:"median,omitempty"`
	// VersusPeer is our key value over the best peer's; 0 where there is nothing to compare.
	VersusPeer float64 `json:"versus_best_peer,omitempty"`
}

// Run is one time that a subject did the work.
type Run struct {
	Values Values `json:"values"`
}

// Values are numbers by name; the name carries the unit.
type Values map[string]float64

// Subject returns the one of that name, which it adds if there is none.
func (g *Group) Subject(name string, role Role, how string) *Subject {
	for _, s := range g.Subjects {
		if s.Name == name {
			return s
		}
	}
	s := &Subject{Name: name, Role: role, How: how}
	g.Subjects = append(g.Subjects, s)
	return s
}

// Add appends a run and brings the medians up to date.
func (s *Subject) Add(v Values) {
	s.Runs = append(s.Runs, Run{v})
	s.Median = Values{}
	for name := range v {
		var all []float64
		for _, r := range s.Runs {
			if x, ok := r.Values[name]; ok {
				all = append(all, x)
			}
		}
		s.Median[name] = Median(all)
	}
}

// Compare fills VersusPeer of our subjects.
func (g *Group) Compare() {
	best := 0.0
	for _, s := range g.Subjects {
		if x := s.Median[g.Key]; s.Role == Peer && x > 0 && (best == 0 || x < best) {
			best = x
		}
	}
	for _, s := range g.Subjects {
		if s.Role == Ours && best > 0 {
			s.VersusPeer = s.Median[g.Key] / best
		}
	}
}

// Median of an even number is the mean of the middle two; of none it is 0.
func Median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// Interleave calls do for every subject in turn, runs times, each time beginning with another one.
func Interleave(runs, subjects int, do func(run, subject int) error) error {
	for run := range runs {
		for i := range subjects {
			if err := do(run, (run+i)%subjects); err != nil {
				return err
			}
		}
	}
	return nil
}
