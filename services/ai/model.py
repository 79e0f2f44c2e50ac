"""The language model: asked through the OpenAI protocol, with patience and without trust.

Any server that speaks it will do. What differs between servers and models is found out by asking:
one that knows no structured outputs is asked for JSON in words, one that wants
`max_completion_tokens` gets that, one that takes no temperature gets none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Final

import openai
from openai import AsyncOpenAI
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ValidationError

from services.ai.settings import AiSettings

log = logging.getLogger(__name__)

ASKED = Counter("backbeat_ai_questions_total", "Questions to the model.", ["model", "outcome"])
TOKENS = Counter("backbeat_ai_tokens_total", "Tokens used.", ["model", "kind"])
COST = Counter("backbeat_ai_cost_dollars_total", "By the prices in the settings.", ["model"])
TOOK_S = Histogram(
    "backbeat_ai_answer_seconds",
    "Time of one question with all its tries.",
    ["model"],
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120),
)
BREAKER = Gauge("backbeat_ai_breaker_open", "1 while the model is not asked.", ["model"])

_LONGEST_PAUSE_S: Final = 20.0
_MAX_ANSWER: Final = 200_000


class ModelAway(Exception):
    """No answer that can be used. `code` is stable, the message is for the user, `tokens` were used
    all the same."""

    def __init__(self, code: str, message: str, tokens: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.tokens = tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back."""

    answer: BaseModel
    prompt_tokens: int
    completion_tokens: int


@dataclass
class Breaker:
    """Asks nobody for a while after so many failures in a row; then one may try."""

    failures: int
    pause_s: float
    _row: int = 0
    _closed_again_at: float = 0.0
    _trying: bool = False

    @property
    def is_open(self) -> bool:
        """Whether nobody should be asked now."""
        return self._row >= self.failures and (monotonic() < self._closed_again_at or self._trying)

    def begin(self) -> bool:
        """Whether a question may be put; after a pause one question tries for all."""
        if self.is_open:
            return False
        if self._row >= self.failures:
            self._trying = True
        return True

    def succeeded(self) -> None:
        """It answers."""
        self._row = 0
        self._trying = False

    def failed(self) -> None:
        """It did not answer, or said that it cannot."""
        self._row += 1
        self._trying = False
        if self._row >= self.failures:
            self._closed_again_at = monotonic() + self.pause_s

    def let_go(self) -> None:
        """What came says nothing of the server's health."""
        self._trying = False


@dataclass(frozen=True, slots=True)
class _Manners:
    """What this server and model take, as far as it was found out."""

    structured: bool = True
    limit: str = "max_tokens"
    temperature: bool = True

    def learnt(self, error: openai.BadRequestError) -> _Manners | None:
        """Other manners, where a refusal taught some; None where it did not."""
        told = f"{error.param or ''} {error.message}".lower()
        if self.limit == "max_tokens" and "max_completion_tokens" in told:
            return replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in told:
            return replace(self, temperature=False)
        words = ("response_format", "json_schema", "structured", "schema")
        if self.structured and any(word in told for word in words):
            return replace(self, structured=False)
        return None


@dataclass
class Model:
    """One model at one server."""

    settings: AiSettings
    breaker: Breaker = field(init=False)
    _client: AsyncOpenAI = field(init=False)
    _turns: asyncio.Semaphore = field(init=False)
    _manners: _Manners = field(default_factory=_Manners)

    def __post_init__(self) -> None:
        settings = self.settings
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_pause_s)
        self._turns = asyncio.Semaphore(settings.concurrency)
        self._client = AsyncOpenAI(
            # Servers that want no key are sent a word, since the library insists on one.
            api_key=settings.openai_api_key.get_secret_value() or "none",
            # Not None where there is none: the library would read it from the environment, past
            # the settings.
            base_url=settings.openai_base_url or "https://api.openai.com/v1",
            timeout=settings.attempt_limit_s,
            # Ours count against the time limit and the breaker.
            max_retries=0,
        )

    @property
    def name(self) -> str:
        """As the server calls it."""
        return self.settings.openai_model

    def tokens_at_most(self, *texts: str) -> int:
        """A safe estimate of what a question may use: no tokenizer makes more than a token of two
        bytes of English, and the answer is bounded."""
        return sum(len(text.encode()) for text in texts) // 2 + self.settings.openai_max_tokens

    async def ask(self, system: str, user: str, shape: type[BaseModel]) -> Asked:
        """An answer of this shape; ModelAway with a reason. Waits its turn, all within the time
        limit."""
        outcome = "cancelled"
        began_s = monotonic()
        try:
            async with asyncio.timeout(self.settings.time_limit_s):
                async with self._turns:
                    asked = await self._guarded(system, user, shape)
            outcome = "answered"
            return asked
        except TimeoutError:
            outcome = "model-too-slow"
            # It may have been billed; nobody can tell.
            used = self.tokens_at_most(system, user)
            raise ModelAway("model-too-slow", "The language model took too long.", used) from None
        except ModelAway as away:
            outcome = away.code
            raise
        finally:
            TOOK_S.labels(self.name).observe(monotonic() - began_s)
            ASKED.labels(self.name, outcome).inc()
            BREAKER.labels(self.name).set(self.breaker.is_open)

    async def _guarded(self, system: str, user: str, shape: type[BaseModel]) -> Asked:
        """Behind the breaker, which learns from what comes."""
        if not self.breaker.begin():
            raise ModelAway(
                "model-resting", "The language model has failed several times and is left alone."
            )
        told = False
        try:
            asked = await self._with_patience(system, user, shape)
            self.breaker.succeeded()
            told = True
            return asked
        except ModelAway as away:
            told = True
            if away.code in _SICK:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise
        except asyncio.CancelledError:
            # By the time limit, or because nobody waits any more: the former is the server's.
            told = True
            self.breaker.failed()
            raise
        finally:
            if not told:
                self.breaker.let_go()

    async def _with_patience(self, system: str, user: str, shape: type[BaseModel]) -> Asked:
        away = ModelAway("model-away", "The language model does not answer.")
        for attempt in range(self.settings.attempts):
            pause_s = 0.0
            try:
                return await self._politely(system, user, shape)
            except openai.RateLimitError as error:
                away = ModelAway("model-busy", "The language model takes no more questions now.")
                if error.code == "insufficient_quota":
                    raise ModelAway(
                        "model-quota", "The account at the language model's server is used up."
                    ) from None
                pause_s = _retry_after_s(error)
            except openai.APITimeoutError:
                away = ModelAway("model-too-slow", "The language model took too long.")
            except (openai.APIConnectionError, openai.InternalServerError):
                away = ModelAway("model-away", "The language model does not answer.")
            except openai.APIStatusError as error:
                if error.status_code not in _MAY_HEAL:
                    # A wrong key, an unknown model, too long a question: the same again is no use.
                    log.warning(
                        "the model's server refused",
                        extra={"status": error.status_code, "code": error.code},
                    )
                    code = (
                        "model-refused-request"
                        if error.status_code in _ALWAYS
                        else "model-refused-question"
                    )
                    raise ModelAway(
                        code,
                        "The language model's server refused the question; see the service's log.",
                    ) from None
                away = ModelAway("model-away", "The language model does not answer.")
            except (openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError) as odd:
                # A page of a proxy, an object of another shape: what calls itself an answer.
                log.warning("the model's server answers oddly", extra={"fault": type(odd).__name__})
                raise ModelAway(
                    "model-odd", "The language model's server answered something else."
                ) from None
            if attempt + 1 < self.settings.attempts:
                backoff_s = self.settings.retry_pause_s * 2**attempt
                # Jittered, so that many who were turned away do not come back at once.
                backoff_s *= random.uniform(0.5, 1.5)
                await asyncio.sleep(min(_LONGEST_PAUSE_S, max(pause_s, backoff_s)))
        raise away

    async def _politely(self, system: str, user: str, shape: type[BaseModel]) -> Asked:
        """One try, in the manners of this server."""
        while True:
            manners = self._manners
            try:
                return await self._once(manners, system, user, shape)
            except openai.BadRequestError as error:
                if self._manners != manners:
                    continue  # Another question has learnt meanwhile.
                learnt = manners.learnt(error)
                if learnt is None:
                    raise
                self._manners = learnt

    async def _once(
        self, manners: _Manners, system: str, user: str, shape: type[BaseModel]
    ) -> Asked:
        schema = shape.model_json_schema()
        options: dict[str, Any] = {manners.limit: self.settings.openai_max_tokens}
        if manners.temperature:
            options["temperature"] = self.settings.openai_temperature
        if manners.structured:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": shape.__name__, "schema": schema, "strict": True},
            }
        else:
            system += (
                "\nAnswer with one JSON object and nothing else, by this JSON Schema:\n"
                + json.dumps(schema, separators=(",", ":"))
            )
        completion = await self._client.chat.completions.create(
            model=self.name,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            **options,
        )
        usage = completion.usage
        used = (_tokens(usage.prompt_tokens), _tokens(usage.completion_tokens)) if usage else (0, 0)
        self._count(*used)
        # A server that does not tell is believed the estimate.
        billed = sum(used) or self.tokens_at_most(system, user)
        choice = completion.choices[0] if completion.choices else None
        if choice is None or choice.message.refusal or choice.finish_reason == "content_filter":
            raise ModelAway("model-refused", "The language model would not answer.", billed)
        if choice.finish_reason == "length":
            raise ModelAway(
                "model-cut-off",
                "The language model's answer was longer than OPENAI_MAX_TOKENS.",
                billed,
            )
        answer = _read(choice.message.content, shape)
        if answer is None:
            raise ModelAway(
                "model-not-understood", "The language model's answer had another shape.", billed
            )
        return Asked(answer, *used)

    def _count(self, prompt: int, completion: int) -> None:
        TOKENS.labels(self.name, "prompt").inc(prompt)
        TOKENS.labels(self.name, "completion").inc(completion)
        price = prompt * self.settings.price_input + completion * self.settings.price_output
        COST.labels(self.name).inc(price / 1_000_000)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()


_SICK: Final = frozenset({"model-away", "model-busy", "model-too-slow", "model-quota",
                          "model-refused-request", "model-odd"})  # fmt: skip
"""What says that the server is not to be asked for a while."""
_MAY_HEAL: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_ALWAYS: Final = frozenset({401, 403, 404})
"""What it would say to any question; other refusals are of this one."""


def _tokens(told: object) -> int:
    return told if isinstance(told, int) and told > 0 else 0


def _retry_after_s(error: openai.APIStatusError) -> float:
    told = error.response.headers.get("retry-after-ms")
    seconds = error.response.headers.get("retry-after")
    try:
        return float(told) / 1000 if told else float(seconds or 0)
    except ValueError:
        # A date: rare enough for the usual pause.
        return 0.0


def _read(content: object, shape: type[BaseModel]) -> BaseModel | None:
    """The object in the text, which models without structured outputs like to fence; None where
    there is none of this shape."""
    if not isinstance(content, str) or len(content) > _MAX_ANSWER:
        return None
    begin, end = content.find("{"), content.rfind("}")
    try:
        return shape.model_validate_json(content[begin : end + 1])
    except ValidationError as error:
        log.info("the model's answer has another shape", extra={"faults": error.error_count()})
        return None
