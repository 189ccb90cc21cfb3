"""What spreadsheet programs write in place of a value that they do not have, or have lost.

A cell that is such a text as a whole says nothing about the client. Whether a text is one never
depends on other cells. White space around it does not matter.
"""

# ruff: noqa: RUF001, RUF003 - letters of other languages that look like Latin ones are meant

from __future__ import annotations

import re

# Excel's names (ECMA-376 part 1, 18.17.3, and those of newer versions), which Google Sheets shares,
# and then those of the languages of Excel and LibreOffice that have names of their own.
_ERROR_NAMES = """
    #N/A #REF! #VALUE! #DIV/0! #NAME? #NUM! #NULL! #GETTING_DATA #SPILL! #CALC! #FIELD! #BLOCKED!
    #CONNECT! #UNKNOWN! #BUSY! #EXTERNAL! #PYTHON! #TIMEOUT! #DATA! #ERROR! #N/A!

    #VRIJEDNOST! #BROJ! #DIJ/0! #NAZIV?
    #HODNOTA! #ČÍSLO! #DĚLENÍ_NULOU! #DIV/NULOU! #NÁZEV? #NENÍ_K_DISPOZICI #ODKAZ!
    #VÆRDI! #DIVISION/0! #NAVN? #I/T #REFERENCE! #NUL!
    #WAARDE! #GETAL! #DEEL/0! #NAAM? #N/B #VERW! #LEEG! #OVERLOOP!
    #ARVO! #LUKU! #JAKO/0! #NIMI? #PUUTTUU! #PUUTTUU #VIITTAUS! #TYHJÄ!
    #VALEUR! #NOMBRE! #NOM? #N/D #ERREUR! #PROPAGATION! #EPARS! #CHAMP!
    #WERT! #BEZUG! #ZAHL! #NV #ÜBERLAUF! #KALK! #FEHLER!
    #ΤΙΜΗ! #ΑΡΙΘ! #ΔΙΑΙΡ./0! #ΟΝΟΜΑ? #Δ/Υ #ΑΝΑΦ! #ΚΕΝΟ!
    #ÉRTÉK! #SZÁM! #ZÉRÓOSZTÓ! #NÉV? #HIÁNYZIK #HIV! #NULLA!
    #VALORE! #RIF! #NOME? #NULLO! #ESPANSIONE! #ERRORE!
    #VERDI! #ARG! #LICZBA! #DZIEL/0! #NAZWA? #N/D! #ADR! #ZERO! #ROZLANIE!
    #VALOR! #NÚM! #NULO! #DESPEJAR! #ERRO!
    #VALOARE! #NUME?
    #ЗНАЧ! #ЧИСЛО! #ДЕЛ/0! #ИМЯ? #Н/Д #ССЫЛКА! #ПУСТО! #ПЕРЕНОС! #ВЫЧИСЛ!
    #DELENIENULOU! #NÁZOV? #NEDOSTUPNÝ #NEPLATNÝ!
    #VREDN! #ŠTEV! #DEL/0! #IME? #N/V #SKLIC! #NIČ!
    #¡VALOR! #¡NUM! #¡DIV/0! #¿NOMBRE? #¡REF! #¡NULO! #¡DESBORDAMIENTO! #¡CALC! #¡ERROR!
    #VÄRDEFEL! #OGILTIGT! #NAMN? #SAKNAS! #SAKNAS #REFERENS! #SKÄRNING!
    #DEĞER! #SAYI! #SAYI/0! #AD? #YOK #BAŞV! #BOŞ! #TAŞMA! #HATA!
    #ЗНАЧЕННЯ! #ІМ'Я? #ПОСИЛАННЯ! #ДІЛ/0!
"""
# Google Sheets shows these while a formula is computed.
_LOADING = (
    *("Loading", "Chargement", "Cargando", "Carregando", "Caricamento", "Caricamento in corso"),
    *("Wird geladen", "Laden", "Yükleniyor", "Загрузка", "جارٍ التحميل", "جار التحميل"),
)
_ERRORS = frozenset(
    name.casefold() for name in (*_ERROR_NAMES.split(), *(f"{word}..." for word in _LOADING))
)
_SIGN_AT_START = re.compile(r"\n[^\S\n]*#")
# LibreOffice numbers its other errors from 501: Err:502. The word is that of its language.
_NUMBERED_ERROR = re.compile(
    r"(?:Err|Erro|Error|Eroare|Errore|Erreur|Fehler|Fout|Feil|Fejl|Fel|Virhe|Viga|Hiba|Chyba|Błąd"
    r"|Hata|Klaida|Napaka|Pogr|Greška|Грешка|Ошибка|Помилка|Σφάλμα|خطأ|خطا|שגיאה|エラー|오류|错误|錯誤)"
    r"\s?:5[0-9]{2}",
    re.IGNORECASE,
)

# A program that writes a text in an encoding without its letters writes a question mark for each.
_LOST_LETTERS = re.compile(r"[\s,./()-]*\?[\s,./()-]*\?[\s?,./()-]*")

# An exponent in the spellings of Excel (9.74E+10), Python (9.74e+10), Fortran (9.74D+10, 9.74+10),
# and of the languages with signs of their own (CLDR: 9,74×10^10 in Swedish, أس in Arabic).
_EXPONENT = re.compile(
    r"[+\u2212-]?(?:[0-9]+(?:[.,\u066b][0-9]*)?|[.,\u066b][0-9]+)"
    r"\s*(?:[ed]|[x×*·]\s*10\s*\^?|أس|اس)\s*[+\u2212-]?[0-9]{1,3}"
    r"|[+-]?[0-9]+[.,][0-9]+\+[0-9]{1,3}",
    re.IGNORECASE,
)
# A float keeps 15 digits for certain, and is written with decimals even if it has none.
_LONG_FLOAT = re.compile(r"[+-]?[0-9]{16,}[.,]0+")

_DAY, _YEAR = r"(?:0?[1-9]|[12][0-9]|3[01])", r"(?:(?:19|20)?[0-9]{2})"
_MONTH_NUMBER = r"(?:0?[1-9]|1[0-2])"
_DATE_IN_DIGITS = (
    rf"(?:(?:19|20)[0-9]{{2}}([/.-]){_MONTH_NUMBER}\1{_DAY}"
    rf"|(?:{_DAY}([/.-]){_MONTH_NUMBER}\2|{_MONTH_NUMBER}([/.-]){_DAY}\3){_YEAR})"
)
_MONTH = (  # in English, French, German, Spanish, Italian, Portuguese, Turkish; in Arabic
    r"(?:(?:jan|feb|fev|fév|mar|mär|mrz|apr|avr|abr|may|mai|mag|jun|jui|jul|giu|lug|aug|aou|aoû|ago"
    r"|sep|set|oct|okt|out|ott|nov|dec|déc|dez|dic|ene|gen|oca|şub|nis|haz|tem|ağu|eyl|eki|kas|ara)"
    r"[^\W\d_]*\.?"
    r"|يناير|فبراير|مارس|[أا]بريل|مايو|يوني[وه]|يولي[وه]|[أا]غسطس|سبتمبر|[أا]كتوبر|نوفمبر|ديسمبر"
    r"|كانون الثاني|شباط|[آا]ذار|نيسان|[أا]يار|حزيران|تموز|[آا]ب|[أا]يلول|تشرين ال[أا]ول"
    r"|تشرين الثاني|كانون ال[أا]ول)"
)
_GAP = r"[\s,./-]{1,3}"
_TIME = r"[0-9]{1,4}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:\s?(?:[ap]\.?m\.?|[صم]))?"
_MOMENT = re.compile(
    rf"(?:{_DATE_IN_DIGITS}"
    rf"|(?:[^\W\d_]+,?\s)?{_DAY}{_GAP}{_MONTH}(?:{_GAP}{_YEAR})?"
    rf"|(?:[^\W\d_]+,?\s)?{_MONTH}{_GAP}(?:{_DAY}{_GAP})?{_YEAR}"
    rf")(?:[T\s,]{{1,2}}{_TIME}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?|{_TIME}",
    re.IGNORECASE,
)
_PLAIN_DATE = re.compile(_DATE_IN_DIGITS)


def is_error(text: str) -> bool:
    """Whether a cell shows an error of Excel, LibreOffice or Google Sheets, or signs for one."""
    shown = text.strip()
    if shown.startswith("#"):
        name = shown[:-1].rstrip() + shown[-1]  # LibreOffice in French has #NOM ?
        is_too_narrow = not shown.strip("#")  # the column, for the value
        return is_too_narrow or name.casefold() in _ERRORS
    if shown.endswith(("...", "…")):
        return shown.replace("…", "...").casefold() in _ERRORS
    return ":5" in shown and _NUMBERED_ERROR.fullmatch(shown) is not None


def may_have_errors(lines: str) -> bool:
    """Whether one of several texts, with a line end before each, may be an error: a fast test."""
    return (
        "..." in lines or "…" in lines or ":5" in lines or _SIGN_AT_START.search(lines) is not None
    )


def is_lost(text: str) -> bool:
    """Whether only the question marks are left that a program wrote in place of letters."""
    return "?" in text and _LOST_LETTERS.fullmatch(text) is not None


def is_computed(text: str) -> bool:
    """Whether a text in place of a number for dialling is a float, a date or a time."""
    number = text.strip()
    if not number.strip("0123456789+-/() "):
        return _PLAIN_DATE.fullmatch(number) is not None
    return any(form.fullmatch(number) for form in (_EXPONENT, _LONG_FLOAT, _MOMENT))


def may_be_computed(joined: str) -> bool:
    """Whether one of several texts, joined without a space, may be one of these: a fast test."""
    return joined.strip("0123456789+() ") != ""
