"""The figures of a load test: what the plugin costs, what the processes take, how the API answers, what grows."""
