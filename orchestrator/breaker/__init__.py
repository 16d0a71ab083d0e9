"""The circuit breaker around each sink, on pybreaker."""

from orchestrator.breaker.breaker import Breaker as Breaker
from orchestrator.breaker.breaker import CircuitBreakerError as CircuitBreakerError
from orchestrator.breaker.keeping import KeptBreaker as KeptBreaker
from orchestrator.breaker.policy import NEVER as NEVER
from orchestrator.breaker.policy import Policy as Policy
