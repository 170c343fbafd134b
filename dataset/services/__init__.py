"""Services as data: what is asked on the form, how the work goes, by when, what it costs, what the customer is told."""
