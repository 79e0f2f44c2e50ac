"""The words in which claims are made, and those that none may be made in: figures, units, drums,
styles, sides. English, in small and capital letters alike."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from libs.common.drums import DrumPiece
from services.ai.domain.ledger import Unit


def any_case(pattern: str) -> re.Pattern[str]:
    """In small and capital letters alike."""
    return re.compile(pattern, re.IGNORECASE)


def whole_words(pattern: str) -> re.Pattern[str]:
    """The same, and nothing of a longer word."""
    return any_case(rf"\b(?:{pattern})\b")


# Plain text

PLAIN_MARKS: Final = str.maketrans(
    {**dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
     **dict.fromkeys("\u2018\u2019\u201b\u02bc", "'"), **dict.fromkeys("\u201c\u201d\u201e", '"')}
)  # fmt: skip
FOREIGN_WORDS: Final = frozenset({"cáscara", "naïve", "café"})
DIACRITICS: Final = unicodedata.normalize("NFD", "".join(FOREIGN_WORDS))
ODD_KINDS: Final = frozenset({"No", "Nl", "Mn", "Mc", "Me", "Cf"})
UNPLAIN: Final = any_case(
    r"https?:|www\.|//|[<>{}\[\]`|\\@#$^=~*_+]|[A-Za-z]\.[A-Za-z]{2,}|"
    r"\b(?:dot (?:com|net|org|io|ai|dev|app|de|uk|xyz)|at (?:gmail|hotmail|outlook|yahoo)|"
    r"system prompt|instructions? (?:above|before)|ignore (?:all|any|the|your|previous)|"
    r"as an ai|language model|openai|api key|passwords?|tokens?|user id|e-?mails?|"
    r"sponsors?|sponsored|buy|purchase|discount|subscribe|download|prize|coupon|promo|"
    r"click here|call me|you are an? (?:bad|terrible|awful|poor|hopeless)|"
    r"whatsapp|telegram|phone|magic word|medical|disease|doctor)\b"
)

# Numbers

SMALL: Final = {
    word: value
    for value, word in enumerate(
        (
            "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
            "eighteen", "nineteen",
        )
    )
}  # fmt: skip
TENS: Final = {
    word: 10 * tens
    for tens, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
WORDS: Final = (*SMALL, *TENS, "hundred", "thousand", "dozen", "million")
NUMBER_WORD: Final = "|".join(sorted(WORDS, key=len, reverse=True))
NUMBER: Final = any_case(
    rf"(?P<digits>\d+(?:[.,]\d+)*)|\b(?P<words>(?:{NUMBER_WORD})"
    rf"(?:(?:[\s-]+(?:and[\s-]+)?)(?:{NUMBER_WORD}))*)\b"
)
COUNTED: Final = r"(?:ghost|fill|accent|grace|groove|loop)"
OTHER_COUNTS: Final = (
    (any_case(rf"\bboth (?:of )?(?:the |your )?(?={COUNTED})"), 2),
    (any_case(rf"\b(?:an? )?(?:single|sole|lone|solo|only) (?={COUNTED})"), 1),
    (any_case(r"\b(?:no|nil|naught|nought|null) (?=(?:ghost|fill|accent|grace)s?\b)"), 0),
)
VAGUE: Final = (
    whole_words(
        rf"(?:{NUMBER_WORD})(?:e?s|ish|some|teen|-?something|-?odd)|"
        r"(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ies|eleventy|"
        rf"(?:{NUMBER_WORD}|mani|many|multi)-?fold|\w*(?:[bmtz]|dr)illions?|hundreds|thousands|"
        r"dozens?|pairs?|couples?|trios?|duos?|quartets?|quintets?|sextets?|septets?|octets?|"
        r"handful|(?:a|the) score of|scores of|myriads?|umpteen(?:th)?|countless|"
        r"(?:nil|naught|nought|null)|"
        r"and[\s-]a[\s-]bit(?! of)|points? (?=\d)|"
        rf"(?:{NUMBER_WORD}) point|points? (?:{NUMBER_WORD})|no\. ?\d+|numbers? \d+"
    ),
    # Other languages'.
    whole_words(
        r"eins|zwei|drei|vier|sechs|sieben|neun|elf|\w*zehn|\w*hundert\w*|\w*tausend\w*|"
        r"zwanzig|drei(?:ss|s)ig|\w*(?:vier|sech|sieb|acht|neun)zig|un[oa]|deux|trois|quatre|cinq|"
        r"huit|neuf|dix|onze|douze|treize|vingt|trente|cent|tres|trei|cuatro|cinco|seis|siete|ocho|"
        r"nueve|diez|tre|quattro|cinque|sette|otto|nove|dieci|dois|oito|patru|ce"
    ),
)
ENDS_A_NUMBER: Final = 12
MULTIPLES: Final = whole_words(
    r"half(?!-open)|half\w+(?<!half)|halv\w+|thirds?(?! finger)|"
    r"(?:an?|one|\d+|three|five|seven)[\s-](?:quarter|fifth|sixth|seventh|eighth|ninth|tenth|"
    r"sixteenth)s?(?![\s-]?(?:notes?|rests?|triplets?|grooves?|pulse|feel|hats?|grid|rock|beat))|"
    r"(?:quarter|eighth|sixteenth|16th|8th) of|the quarter of|twice|thrice|"
    r"doubl\w+(?! (?:strokes?|hits?)\b)|"
    r"tripl(?:e|ed|es|ing)|quadrupl(?:e|ed|es|ing|y)|quintupl(?:e|ed|ing)|percentile|majority|"
    r"minority|two-thirds|three-quarters|\d+(?:\.\d+)? ?x|x ?\d+|once (?:a|per|each|every|in) "
    r"(?:bar|beat|measure|second|minute)"
)
ORDINALS: Final = whole_words(
    r"fourth|fifth|sixth|seventh|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|"
    r"fifteenth|seventeenth|eighteenth|nineteenth|\w+tieth|hundredth|\w+-(?:first|second|third|"
    r"fourth|fifth|sixth|seventh|eighth|ninth)|"
    r"(?:second|eighth|sixteenth|third) (?:bars?|measures?|beats?|fills?|grooves?|loops?|ghosts?|"
    r"accents?|strokes?|hits?|hi-?hats?|snares?|kicks?|toms?|crash|part|section|chorus|verse|days?)"
)
TIMES_OF_DAY: Final = whole_words(
    r"hours?|hourly|weeks?|weekly|weekends?|fortnights?|months?|monthly|years?|yearly|decades?|"
    r"centur(?:y|ies)|lifetime|(?<!beats )(?<!quarters )an? (?:whole |full |extra )?minute"
)
CLOCK: Final = any_case(r"\d:\d\d|(?<![\w.])-\s?\d|\b0\d|\d\s+\d")
MIXED: Final = any_case(r"\b(?=[a-z]*\d)(?=\d*[a-z])\w+\b")
MIXED_GOOD: Final = any_case(r"\d+(?:bpm|ms|msecs?|mins?)|(?:4|8|16|32|64)(?:th|nd)s?|\d+x")
ROMAN: Final = r"(?=[ivxlcdm]+\b)m*(?:c[md]|d?c*)(?:x[cl]|l?x*)(?:i[xv]|v?i*)"
ROMANS: Final = (
    re.compile(rf"\b(?=[IVXLCDM]{{2,}}\b)(?i:{ROMAN})\b"),
    any_case(rf"\b(?:bars?|measures?|beats?|days?|loops?|fills?|no\.?|number|level|part) (?!mix\b)"
        rf"{ROMAN}\b(?!')"),
    any_case(rf"\b(?!mix\b){ROMAN} (?:bars?|measures?|beats?|fills?|grooves?|loops?|ghosts?|"
        r"accents?|strokes?|hits?|notes?|bpm|ms|percent|days?|minutes?|times)\b"),
)  # fmt: skip
SPACED: Final = any_case(r"\b(?:[a-z][\s.-]+){2,}[a-z]\b")
STICKING: Final = any_case(r"[rl\s.-]+")
NEAR: Final = frozenset(
    {"forth", "fort", "forts", "nifty", "mighty", "weighty", "thirsty", "nicety", "eighth",
     "fifth", "sixth", "forty", "party", "doze", "dozes", "frothy", "forte", "sixths"}
)  # fmt: skip
"""English words one letter from a number."""

# Meters, note values

METER: Final = re.compile(r"(?<![\d/.])(\d{1,2}/\d{1,2})(?![\d/])")
NOTE_VALUE: Final = any_case(
    r"\b(?:4|8|16|32|64)(?:th|nd)(?:s\b|(?=[\s-]?(?:notes?|rests?|triplets?|grooves?|feel|pulse|"
    r"hats?|hi-hats?|grid|place|offbeat)))"
)
GRID_WORDS: Final = (
    (whole_words(r"8ths?|eighths?|quavers?"), "eighths"),
    (whole_words(r"16ths?|sixteenths?|semi-?quavers?"), "sixteenths"),
    (whole_words(r"triplets?|swung"), "triplets"),
    (whole_words(r"32nds?|thirty-seconds?|64ths?|sixty-fourths?|quintuplets?|septuplets?|sextuplets?|"
           r"demi-?semi-?quavers?|duplets?|nonuplets?|quadruplets?"), "finer"),
)  # fmt: skip

# What a number counts

BEFORE_BAR: Final = any_case(r"\b(?:bars?|measures?)\W*$")
BEFORE_BEAT: Final = any_case(r"\b(?:on|beats?|count(?:s|ing)?|the)\s*$")
BEFORE: Final = (
    (any_case(r"\bvelocit(?:y|ies)\W*(?:of\W*|about\W*|is\W*)?$"), Unit.VELOCITY),
    (any_case(r"\bdifficulty\W*(?:is\W*|of\W*)?$"), Unit.OF_TEN),
    (any_case(r"\bratio\W*(?:is\W*|of\W*)?$"), Unit.RATIO),
    (any_case(r"\bconsistency\W*(?:is\W*|of\W*|at\W*)?$"), Unit.FRACTION),
    (any_case(r"\btempo\W*(?:is\W*|of\W*|at\W*)?$"), Unit.BPM),
    (any_case(r"\bdays?\s*$"), Unit.DAY),
    (BEFORE_BAR, Unit.BAR),
    (BEFORE_BEAT, Unit.BEAT),
)
AFTER: Final = (
    (r"(?:quarters? |beats? )?(?:bpm|b\.p\.m\.?|beats? (?:per|a) minute)", Unit.BPM),
    (r"(?:%|(?:percent|per cent|percentage)\b)", Unit.PERCENT),
    (r"(?:ms|msecs?|milliseconds?)", Unit.MS),
    (r"(?:strokes?|hits?|notes?) (?:a|per|each) second", Unit.PER_SECOND),
    (r"(?:strokes?|hits?|notes?) (?:a|per|each|in each) (?:bar|measure)", Unit.PER_BAR),
    (r"levels? (?:a|per) bar", Unit.PER_BAR),
    (r"(?:out )?of (?:10|ten)", Unit.OF_TEN),
    (r"(?:to|:) ?(?:1|one)", Unit.RATIO),
    (r"(?:minutes?|mins?)", Unit.MINUTES),
    (r"days?", Unit.DAYS),
    (r"(?:times|repetitions|repeats|rounds)", Unit.TIMES),
    (r"(?:bars?|measures?)", Unit.BARS),
    (r"beats?", Unit.BEATS),
    (r"(?:ghost notes?|ghosts?|ghosted (?:notes?|strokes?))", Unit.GHOSTS),
    (r"(?:grace notes?|graces)", Unit.GRACES),
    (r"(?:accents?|accented (?:notes?|strokes?))", Unit.ACCENTS),
    (r"(?:(?:short|long|little|big|small|drum|tom|busy|simple|written|different) )?fills?",
     Unit.FILLS),
    (r"(?:(?:different|main|simple) )?grooves?", Unit.GROOVES),
    (r"loops?", Unit.LOOPS),
    (r"(?:strokes?|hits?|notes?)", Unit.STROKES),
)  # fmt: skip
AFTER_RES: Final = tuple((any_case(rf"[\s-]*{text}(?!\w)"), unit) for text, unit in AFTER)
PERIOD: Final = (
    r"(?:bars?|measures?|beats?|seconds?|minutes?|quarters?|days?|fills?|loops?|grooves?|rounds?|"
    r"strokes?|hands?|feet|foot)"
)
RATE: Final = any_case(
    rf"\s*(?:-|/|,)?\s*(?:an?|per|each|every|in each|in every|to the) {PERIOD}\b"
)
A_DAY: Final = any_case(r"\s*(?:a|per|each|every) day\b")
COMPARED: Final = any_case(
    r"[\s,]*(?:too|more|less|fewer|faster|slower|louder|softer|quieter|higher|lower|longer|shorter|"
    r"harder|easier|earlier|later|better|worse|bigger|smaller|heavier|lighter|tighter|above|below|"
    r"under|over(?! and over)|as \w+ as|missed|wrong|off)\b"
)
SIDED: Final = any_case(r"\s*(?:too )?(?:late|early|ahead|behind)\b")
COMPARED_BEFORE: Final = any_case(
    r"\b(?:minus|plus|over|under|more than|less than|fewer than|at least|at most|not|below|above|"
    r"beyond|exceed\w*|another|extra|times|faster than|slower than|louder than)\s*$"
)
DIFFERENCE: Final = any_case(r"\bby (?:about |some |around |roughly )?$")
GOES_ON: Final = any_case(
    r"\s*(?:$|[.,;:!?)\"'/-]|(?:and|or|but|to|then|with|while|when|as|at|in|on|of|is|are|was|were|"
    r"for|from|so|than|by|before|after|until|through|that|which|where|if|because|it|its|you|your|"
    r"they|the|a|an|again|always|only|alone|exactly|evenly|together|throughout|each|every|too|"
    r"will|can|should|must|may|has|have|out|lightly|softly|firmly|"
    r"gives?|makes?|keeps?|lands?|comes?|feels?|sits?|stays?|adds?|needs?|drives?|anchors?|sounds?|"
    r"marks?|holds?|stands?|runs?|starts?|begins?|ends?|helps?|sets?|brings?|forms?|suits?|lets?|"
    r"stay|play|repeat|loop|move|aim|work|bring|take)\b)"
)
"""After a number whose unit stands before it: no noun, or "on 4 cymbals" were beat 4."""
NO_BAR: Final = any_case(
    r"\s*(?:hertz|hz|db|decibels?|cm|mm|seconds?|k|points?|stars?|degrees?|feet)\b"
)
JOINED: Final = any_case(
    r"\s*(?:-|(?:up )?to|and|,|or|through|/|,\s*(?:and|then)|then|"
    r"of (?:the|its|all))\s*"
)
LIMB_NOUN: Final = any_case(r"\s*(?:hands?|feet|foot|limbs?|sticks?)\b")
LIMB_NUMBERS: Final = frozenset({1.0, 2.0, 4.0})
ONE_OF_A_KIND: Final = any_case(
    r"\s*(?:crash\w*|flams?|drags?|ruffs?|kicks?|snares?|toms?|hats?|cymbals?|rides?|splash|china|"
    r"mistakes?|errors?|faults?|verse|chorus|section|bridge|solo|break|cowbell|hertz|hz|seconds?)\b"
)
BARS_BEFORE: Final = any_case(r"\bbars? \d+(?:(?:, | and | to |-)\d+)*$")
REST_BEFORE: Final = any_case(r"\b(?:rest|wait|pause|leave)(?: for)?\s*$")
UNIT_WORDS: Final = any_case(
    r"%|\b(?:bpm|percent|per cent|ms|msecs?|milliseconds?|beats? per minute)\b"
)
DIFFICULT: Final = whole_words(r"difficult\w*|hard\w*|demanding")
COUNTING: Final = re.compile(
    r"(?P<cue>[\"']\s*|\b(?:count\w*|say(?:ing)?|aloud|out loud)\b[^.;\d\"']{0,24}?[\s:\"'])"
    r"(?P<row>(?:\d|one|two|three|four|five|six|seven)(?:[\s,-]+(?:\d|one|two|three|four|five|six|"
    r"seven|and|an|&|e|a|ah|uh|trip|let)\b)+)(?P<end>\s*[\"'])?",
    re.IGNORECASE,
)
COUNTED_OUT: Final = any_case(
    r"\s*(?:$|[.,;:!?)\"'-]|(?:while|as|with|when|on|in|over|at|before|after|until|out|aloud|"
    r"and play|to)\b)"
)
PLACES: Final = (
    # What a bar's number says must be what the ledger says of that bar.
    (any_case(r"\bfills?,? (?:(?:is|are|comes?|sits?|stands?) )?in bars? (\d+)"), "fill"),
    (any_case(r"\bhardest (?:bar|one|place) is bar (\d+)"), "hardest"),
    (any_case(r"\bbusiest bar is bar (\d+)"), "busiest"),
)

# Names

RING: Final = {DrumPiece.CRASH, DrumPiece.CRASH_2, DrumPiece.SPLASH, DrumPiece.CHINA}
RIDES: Final = {DrumPiece.RIDE, DrumPiece.RIDE_BELL}
HATS: Final = {
    DrumPiece.HAT_CLOSED, DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN, DrumPiece.HAT_PEDAL,
}  # fmt: skip
PIECES: Final[tuple[tuple[re.Pattern[str], frozenset[DrumPiece]], ...]] = tuple(
    (whole_words(words), frozenset(pieces))
    for words, pieces in (
        (r"cowbells?", {DrumPiece.COWBELL}),
        (r"tambourines?", {DrumPiece.TAMBOURINE}),
        (r"chinas?", {DrumPiece.CHINA}),
        (r"splash(?:es)?", {DrumPiece.SPLASH}),
        (r"crash(?:es)?", {DrumPiece.CRASH, DrumPiece.CRASH_2}),
        (r"ride bell|bell of the ride|bell", {DrumPiece.RIDE_BELL, DrumPiece.COWBELL}),
        (r"(?:rides?|ride cymbal)(?! (?:the (?:groove|beat|wave|time)|out|along|it)\b)", RIDES),
        (r"cymbals?", RING | RIDES | HATS),
        (r"cross-?\s?sticks?|side-?\s?sticks?|rim-?\s?clicks?", {DrumPiece.CROSS_STICK}),
        (r"rim-?\s?shots?", {DrumPiece.RIMSHOT}),
        (r"floor toms?", {DrumPiece.TOM_FLOOR}),
        (r"toms?|tom-toms?", {DrumPiece.TOM_HIGH, DrumPiece.TOM_MID, DrumPiece.TOM_FLOOR}),
        (r"(?:half-)?open (?:hi-?\s?)?hats?", {DrumPiece.HAT_OPEN, DrumPiece.HAT_HALF_OPEN}),
        (r"(?:hi-?\s?)?hats?", HATS),
        (r"snares?", {DrumPiece.SNARE, DrumPiece.RIMSHOT, DrumPiece.CROSS_STICK}),
        (r"kicks?(?! (?:off|in)\b)|bass drums?", {DrumPiece.KICK}),
    )
)
NOT_HERE: Final = whole_words(
    r"gongs?|tam-?tams?|triangles?|congas?|bongos?|timbales?|claps?|handclaps?|shakers?|maracas?|"
    r"timpani|kettledrums?|wood-?blocks?|temple blocks?|jam blocks?|claves|g[uü]iros?|cabasas?|"
    r"cajons?|djembes?|tablas?|agogos?|surdos?|vibraslaps?|whistles?|chimes|glockenspiels?|"
    r"xylophones?|marimbas?|vibraphones?|roto-?toms?|octobans?|stacks?|stack hits?|gran cassa|"
    r"electronic pads?|trigger pads?|sample pads?|drum machines?|808s?|909s?|samples|"
    r"double[- ](?:bass|pedals?|kick\w*)|double bass pedals?|brush(?:es)?|mallets?|hot-?rods|"
    r"sizzle cymbals?|bells|guitars?|pianos?|vocals?|singers?|basslines?|horns?|trumpets?|"
    r"semi-?tones?|tones? (?:higher|lower)|"
    r"saxophones?|keyboards?|synths?|synthesi[sz]ers?|second hi-?hats?"
)
FIGURES_OF_SPEECH: Final = (
    # Rudiments and grooves: what is asked of the names is the word's root.
    (whole_words(r"(?:para)?diddles?|paradiddle\w*"), "diddle"),
    (whole_words(r"ratamacues?|pataflaflas?"), "ratamacue"),
    (whole_words(r"flams?|flammed|flamacues?"), "flam"),
    (whole_words(r"ruffs?|(?:a|the|and|of|with|or|two|\d+|little|single) drags?"), "drag"),
    (whole_words(r"(?:\w+[- ]stroke|press|buzz|closed|open|drum|double-stroke|long) rolls?|"
           r"rolls?(?! (?:off|along|out|on|through|over|back|into|your|the|from|down|around)\b)"),
     "roll"),
    (whole_words(r"swiss army"), "swiss army"),
    (whole_words(r"shuffl\w+"), "shuffle"),
    (whole_words(r"linear(?:ly)?"), "linear"),
    (whole_words(r"train[- ]?beats?"), "train beat"),
    (whole_words(r"blast(?:[- ]?beats?|s|ing)?"), "blast"),
    (whole_words(r"one[- ]drops?"), "one drop"),
    (whole_words(r"bossas?"), "bossa"),
    (whole_words(r"four[- ](?:on|to)[- ]the[- ]floor"), "four on the floor"),
    (whole_words(r"(?:son |rumba )?claves?"), "clave"),
    (whole_words(r"tresillos?|cinquillos?"), "tresillo"),
    (whole_words(r"c[aá]scaras?"), "scara"),
    (whole_words(r"second[- ]lines?"), "second line"),
    (whole_words(r"waltz\w*"), "waltz"),
    (whole_words(r"break-?beats?|jungle breaks?|amen breaks?"), "breakbeat"),
    (whole_words(r"d-beats?|money beats?|boom[- ]?baps?|mozambique|songo|rosanna|steppers|baiao|"
                 r"partido|amen|nanigo|bembe|poly-?rhythms?|poly-?rhythmic|hemiolas?|"
                 r"one-handed"), "\0"),
)  # fmt: skip
STYLES: Final = (
    "funk", "jazz", "latin", "hip-hop", "hip hop", "hiphop", "afro-cuban", "afro cuban",
    "new orleans", "reggae", "gospel", "afrobeat", "afrobeats", "middle eastern", "highlife",
    "disco", "techno", "edm", "bebop", "ska", "samba", "bossa nova", "salsa", "r&b", "rnb",
    "r'n'b", "r and b", "rhythm and blues", "rock and roll", "rock'n'roll", "drum and bass",
    "drum'n'bass", "drum n bass", "dnb", "motown", "dubstep", "bluegrass", "polka", "grunge",
    "rumba", "mambo", "cha-cha", "tango", "calypso", "soca", "rockabilly", "bolero", "cumbia",
    "reggaeton", "merengue", "bachata", "dixieland", "big band", "swing music", "synthwave",
    "rocksteady", "zydeco", "baile", "flamenco", "klezmer", "ragtime", "metalcore", "djent",
    "shoegaze", "britpop", "neo-soul", "psychedelic", "guaguanco", "kompa", "kizomba", "zouk",
    "axe music", "heavy metal", "hard rock", "lo-fi", "lofi",
)  # fmt: skip
STYLE: Final = whole_words(
    "(?P<style>"
    + "|".join(re.escape(one) for one in sorted(STYLES, key=len, reverse=True))
    + r"|(?:funk|jazz|reggae|disco|samba|latin|punk|rock|blues|soul|pop|metal)(?:ish|-ish|esque)|"
    r"jazzy|jazzier|funky|funkier|bluesy|poppy|rocky|punky)"
)
BASE: Final = (
    (re.compile(r"^jazz.*"), "jazz"), (re.compile(r"^funk.*"), "funk"),
    (re.compile(r"^blues.*"), "blues"), (re.compile(r"^hip.?hop"), "hip-hop"),
    (re.compile(r"^afrobeats?$"), "afrobeat"),
    (re.compile(r"^(?:r&b|rnb|r'n'b|r and b|rhythm and blues)$"), "r&b"),
)  # fmt: skip
OTHER_SENSE: Final = (
    r"(?:rock|pop|soul|country|metal|punk|blues|house|march|progressive|prog|indie|folk|trap|dub|"
    r"fusion|electronic|hardcore|thrash|emo|surf|garage|trance|jungle|ballad|ambient|industrial|"
    r"baroque|alternative)"
)
"""Styles whose names mean other things as well."""
STYLE_IN_PLACE: Final = (
    any_case(rf"\b(?P<style>{OTHER_SENSE})(?=[\s-](?:feel|groove|beat|style|pattern|music|drumm\w+|vibe|"
        r"flavou?r|touch|rhythm|tune|song|influence|sound|roots|tradition|player|"
        r"time|band|and \w+ feel)s?\b)"),
    any_case(rf"\b(?:an?|is|it's|of|in|to|like|very|pure|from|and|or) "
             rf"(?:pure |real |classic |old )?"
             rf"(?P<style>{OTHER_SENSE})(?=\s*(?:$|[.,;:!?]|(?:and|or)\b))"),
)  # fmt: skip
PEOPLE: Final = whole_words(
    r"bonham|bonzo|purdie|porcaro|gadd|neil peart|peart|ringo|starr|copeland|keith moon|"
    r"ginger baker|buddy rich|krupa|max roach|blakey|elvin jones|tony williams|stubblefield|jabo|"
    r"questlove|j dilla|dilla|colaiuta|weckl|grohl|lars ulrich|charlie watts|phil collins|"
    r"beauford|portnoy|chad smith|benny greb|jojo mayer|led zeppelin|beatles|toto|steely dan|"
    r"james brown|meters band|zildjian|sabian|paiste|yamaha|tama|vic firth|longuet|bo diddley"
)
CAPITAL: Final = re.compile(r"(?<![.!?:;\"'(\n-])(?<![.!?:;] )(?<!\A)(?<=[\s\"'(-])"
                             r"([A-Z][A-Za-z'&-]*)")  # fmt: skip
MAY_BE_CAPITAL: Final = frozenset(
    {"i", "i'm", "i'll", "i'd", "i've", "a", "r", "l", "bpm", "ms", "ok", "not", "bar", "bars",
     "beat", "beats", "groove", "grooves", "fill", "fills", "ghost", "ghosts", "note", "notes",
     "hi-hat", "hat", "hats", "hi-hats", "snare", "kick", "tom", "toms", "crash", "ride", "tempo",
     "loop", "loops", "day", "practice", "practise", "metronome", "play", "count", "left", "right",
     "backbeat", "dynamics", "accents", "accent", "english", "difficulty", "swing", "timing",
     "the", "and", "or", "of", "in", "on", "at", "with", "keep", "start", "drum", "drums"}
)  # fmt: skip
GROOVE_LETTER: Final = re.compile(
    r"\b(?:[Gg]roove|[Ss]ection|[Pp]attern|[Pp]art) [B-Z]\b|\b[Gg]roove A\b|"
    r"\b[A-G] (?:sharp|flat|major|minor)\b"
)
QUANTIFIED: Final = any_case(
    r"\bevery other\b|\b(?:every|all(?: of)?(?: the)?|most(?: of)?(?: the)?|(?<!of )(?<!in )each|"
    r"none of the|neither of the) (?:bars?|strokes?|fills?|hits?|notes?|ghosts?|ghost notes|"
    r"beats?|limbs|"
    r"loops?|grooves?|kicks?|snares?|bars of it) (?:is|are|was|were|has|have|had|rush\w*|drag\w*|"
    r"lag\w*|"
    r"comes?|sits?|contains?|holds?|lacks?|misses)\b|\ball (?:four|4) limbs (?!at|together)|"
    rf"\b(?:is|are) all {COUNTED}s?\b|\bbars? \d[\d, and]* (?:is|are) (?:silent|empty)\b|"
    r"\bnothing (?:is )?on the\b|\b(?:has|have|is|are|with) no (?:\w+ )?(?:kick|snare|hats?|"
    r"hi-hats?|toms?|crash|ride|cymbals?|drums?|strokes?)\b"
)

# Who is late

LIMBS: Final = (
    (whole_words(r"(?:hi-?\s?)?hat (?:foot|pedal)|foot hats?|pedal(?:led)? hats?|left foot|pedal"),
     "hat foot"),
    (whole_words(r"kicks?|bass drums?|right foot"), "kick"),
    (whole_words(r"snares?|rim-?shots?|cross-?sticks?|side-?sticks?|backbeats?"), "snare"),
    (whole_words(r"(?:hi-?\s?)?hats?"), "hi-hat"),
    (whole_words(r"rides?|ride cymbals?|ride bell"), "ride"),
    (whole_words(r"toms?|tom-toms?"), "toms"),
    (whole_words(r"crash(?:es)?|cymbals?|splash(?:es)?|chinas?"), "crashes"),
    (whole_words(r"cowbells?|tambourines?|percussion"), "percussion"),
    (whole_words(r"ghosts?|ghost notes?"), "ghosts"),
    (whole_words(r"(?:left |right )?hands?|feet"), "hands"),
    (whole_words(r"fills?"), "fill"),
)  # fmt: skip
LATE: Final = whole_words(
    r"late|later|behind|drag(?:s|ged|ging)?|lag(?:s|ged|ging)?|la(?:y|ys|id|ying) back|"
    r"laid-back|after the (?:beat|click)|slow"
)
EARLY: Final = whole_words(
    r"early|earlier|ahead|rush(?:es|ed|ing)?|before the (?:beat|click)|in front|on top|"
    r"push(?:es|ed|ing)?|anticipat\w+"
)
FASTER: Final = whole_words(
    r"speed(?:s|ed|ing)? up|sped up|fast(?:er)?|accelerat\w+|rush\w*|picks? up|quicker"
)
SLOWER: Final = whole_words(r"slow\w*|drag\w*|decelerat\w+|los(?:es|ing) speed")
CLAUSE: Final = any_case(r"[;:]|,|\b(?:but|while|whereas)\b|(?<=\d)[^,;:\d]*?\b(?:and)\b")
NO_TOPIC: Final = frozenset(
    {"strokes", "stroke", "that", "this", "lie", "with", "among", "size", "places", "where",
     "share", "the", "and", "all", "end", "late", "early", "like", "written", "one", "without",
     "average"}
)  # fmt: skip
SAME: Final = {
    "drift": "drift|speed|slow|fast|tempo", "tempo": "drift|speed|slow|fast|tempo",
    "eighths": "eighth|8th", "sixteenths": "sixteenth|16th", "earlier": "repeat|alike|same|earlier",
    "beats": "beats?", "feet": "feet|foot", "limbs": "limbs|together",
    "triplets": "triplet", "finer": "finer|32nd", "ghosts": "ghost", "ghost": "ghost",
}  # fmt: skip


WHO: Final = (
    r"(?P<who>kicks?|bass drum|snares?|(?:hi-?)?hat (?:foot|pedal)|(?:hi-?)?hats?|rides?|toms?|"
    r"crash(?:es)?|cymbals?)"
)
LEANS: Final = (
    any_case(rf"\b{WHO} (?:\w+ )??(?:is|are|was|were|comes?|sits?|lands?|plays?|falls?) "
        r"(?:[\w.]+ ){0,4}?(?:(?P<late>late|behind)|(?P<early>early|ahead))\b"),
    any_case(rf"\b{WHO} (?:\w+ )??(?:(?P<late>drags|lags)|(?P<early>rushes|hurries))\b"),
)  # fmt: skip
DRIFTS: Final = any_case(
    r"\b(?:it|tempo|groove|everything|playing) (?:\w+ )??(?:(?P<faster>speeds|sped|speeded|hurries|"
    r"picks) up|(?P<slower>(?:slows|slowed) down|loses speed))\b"
)
SUPPOSED: Final = whole_words(
    r"if|when|whenever|whether|not|never|don't|isn't|until|unless|may|might|can"
)
LEVELS: Final = whole_words(r"beginners?|intermediate|advanced|experts?")
