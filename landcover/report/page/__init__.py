"""The report: one HTML file about one or several runs that opens offline in any browser."""
