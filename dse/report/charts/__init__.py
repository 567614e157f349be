"""Pictures of a report, each written once as a Vega-Lite specification."""
