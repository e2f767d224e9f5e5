// Package status is what people and machines see of a job: [Status] is the one shape, [Tracker]
// collects it while an engine runs, the control socket (package control) hands it out, and text and
// progress lines are rendered from it. Parts of the engine only ever write to the tracker.
package status
