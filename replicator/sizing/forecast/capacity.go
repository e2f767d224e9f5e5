package forecast

// Stages are what each part of the path gives alone, in bytes of rows a second; 0: not measured.
type Stages struct {
	Read   float64 `json:"source_read"`
	Encode float64 `json:"encode"` // packing at the level that the copy used, all processors
	Wire   float64 `json:"wire"`   // what the wire carries, times the ratio of packing
	Write  float64 `json:"target_write"`
}

// Names of the stages, for people.
const (
	ReadStage   = "the source, which reads rows"
	EncodeStage = "the source end's processor, which packs them"
	WireStage   = "the wire"
	WriteStage  = "the target, which writes them"
)

// Limit is the slowest stage that was measured and its rate.
func (s Stages) Limit() (name string, rate float64) {
	for _, c := range []struct {
		name string
		rate float64
	}{{ReadStage, s.Read}, {EncodeStage, s.Encode}, {WireStage, s.Wire}, {WriteStage, s.Write}} {
		if c.rate > 0 && (rate == 0 || c.rate < rate) {
			name, rate = c.name, c.rate
		}
	}
	return name, rate
}

// Link is what a link must carry.
type Link struct {
	Days float64 `json:"days"`
	Bits float64 `json:"bits_per_second"`
}

// NeededLinks is the link for the rows of w to be over within some numbers of days. ratio is that of
// packing, wire what else must go over it meanwhile (packed changes), both in bytes.
func NeededLinks(bytes, ratio, changes float64, days ...float64) []Link {
	list := make([]Link, len(days))
	for i, d := range days {
		list[i] = Link{Days: d, Bits: 8 * (bytes/max(1, ratio)/(d*86400) + changes)}
	}
	return list
}
