package clinical

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

var families = []string{
	"Rossi", "O'Neill", "Müller", "Dvořák", "Nguyễn", "García-Márquez", "Øster", "Smith", "de la Cruz",
	"Şahin", "Kowalska", "Ndiaye", "van der Berg", "Ivanova", "李", "Ferrari \"jr\"", "Back\\slash",
}

var givens = []string{
	"Mario", "Anna", "Jürgen", "Zoë", "Chloé", "Ali", "Ngozi", "Søren", "Lucía", "Agnès", "Tomáš", "Ivan", "明",
}

var cities = []string{"Bologna", "Reykjavík", "Łódź", "São Paulo", "Köln", "L'Aquila", "Cork"}

var complaints = []string{
	"chest pain", "fall from ladder", "shortness of breath", "fever for 3 days", "headache, \"worst ever\"",
	"abdominal pain", "cut on hand", "dizzy\tand nauseous", "palpitations", "asks for\nprescription",
}

var substances = []string{"penicillin", "latex", "peanut", "iodine", "aspirin", "bee venom", "nickel", "egg"}

var tests = []string{"HR", "SpO2", "RR", "TEMP", "BP-S", "BP-D", "GLU", "K", "NA", "CREA", "HB", "LEU", "CRP", "LAC"}

var units = []string{"1/min", "%", "°C", "mmHg", "mmol/l", "g/dl", "µmol/l", "mg/l"}

var terms = strings.Fields(`patient reports intermittent pain since yesterday no known allergies blood pressure
	stable oxygen saturation improved after treatment chest clear abdomen soft tender lower left quadrant
	ECG sinus rhythm without ischaemia plan discharge tomorrow continue antibiotics twice daily review
	Röntgen Thorax unauffällig fièvre légère malgré paracétamol wound dry dressing changed mobilised with
	physiotherapy family informed consent obtained laboratory values pending creatinine rising potassium
	low substitute fluids restrict sodium follow-up outpatient clinic in two weeks sleep poor appetite fair`)

// Prose is a block of random words from which texts are cut, because making each word anew would
// take longer than PostgreSQL takes to store it.
type Prose struct{ block string }

const proseSize = 128 << 10

// NewProse draws a block with rng.
func NewProse(rng *rand.Rand) *Prose {
	var b strings.Builder
	for b.Len() < proseSize {
		b.WriteString(terms[rng.IntN(len(terms))])
		switch rng.IntN(12) {
		case 0:
			b.WriteString(". ")
		case 1:
			b.WriteString(",\n")
		default:
			b.WriteByte(' ')
		}
	}
	return &Prose{block: b.String()}
}

// Text is about n bytes of words, n below proseSize / 2.
func (p *Prose) Text(rng *rand.Rand, n int) string {
	from := rng.IntN(len(p.block) - n - utf8.UTFMax)
	for !utf8.RuneStart(p.block[from]) {
		from++
	}
	to := from + n
	for !utf8.RuneStart(p.block[to]) {
		to--
	}
	return p.block[from:to]
}
