package measure

// OursOver is the value that [Group.Ratios] gives a subject's median.
const OursOver = "ours_over_this"

// Ratios says of every other subject what share of its key value ours takes: the median of the ratios
// run by run, since what disturbs the machine disturbs runs beside each other alike.
func (g *Group) Ratios() {
	for _, ours := range g.Subjects {
		if ours.Role != Ours {
			continue
		}
		for _, s := range g.Subjects {
			if s.Role != Ours && s.Median != nil {
				s.Median[OursOver] = Median(g.ratios(ours, s))
			}
		}
		return
	}
}

func (g *Group) ratios(ours, other *Subject) (all []float64) {
	for i := range min(len(ours.Runs), len(other.Runs)) {
		if x := other.Runs[i].Values[g.Key]; x > 0 {
			all = append(all, ours.Runs[i].Values[g.Key]/x)
		}
	}
	return all
}
