// Package clinical is a clinical database of our own for tests, the demo and benchmarks: it looks
// like a real hospital's, holds nobody's data, and has every kind of object that moving a database
// must get right.
//
// Three schemas, owned by the role clinical_owner:
//
//	emergency    visits, triage, bays; an exclusion constraint, an unlogged cache, inheritance
//	record       patients, encounters, observations (partitioned by month), orders, medication,
//	             notes (kilobytes of text), documents (bytea), an audit table without any key
//	outpatient   clinics, referrals (text key), appointments, devices, bills (quoted names),
//	             portal messages (row level security)
//
// [Load] makes schema and rows. A seed and a scale fix every row; only their physical order
// within a table's file is the server's business, and only now() in what triggers write depends
// on the day. Keys, indexes and behaviour (triggers, rules) come after the rows. Package workload
// writes to the database afterwards the way the wards do.
//
// Words: the canary is a string that stands in every text value of a person's making (not in
// enums, names of relations, or fixed codes of two letters), so that a test can search logs,
// reports and state for values that must not be there. The history is the time that the rows
// cover; it ends on a fixed day.
package clinical
