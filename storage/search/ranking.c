/* SPDX-License-Identifier: Apache-2.0 */
#include "search/ranking.h"

enum {
    MISSING_MAX = 15,
    MISSING_SHIFT = 16,
    WEIGHT_UNIT = 20, /* of a quarter of a doubling */
    OPTIONAL_UNIT = 3,
    FURTHER_DIVISOR = 20, /* what a word's second place adds */
};

_Static_assert((int)SEARCH_WORDS_MAX <= (int)MISSING_MAX, "missing words are counted in four bits");

static uint32_t bits(uint64_t mask)
{
    return (uint32_t)__builtin_popcountll(mask);
}

uint32_t ranking_quarter_log2(uint64_t value)
{
    /* 2^(1/4), 2^(2/4), 2^(3/4) in parts of 256. */
    static const uint32_t quarters[] = {304, 362, 430};
    uint32_t whole = 63 - (uint32_t)__builtin_clzll(value);
    uint32_t rest = (uint32_t)(whole > 8 ? value >> (whole - 8) : value);
    uint32_t steps = 0;

    while (steps < 3 && rest >= quarters[steps])
        steps++;
    return 4 * (whole - 8) + steps;
}

uint16_t ranking_word_weight(uint32_t all, uint32_t having, bool is_optional)
{
    uint64_t rarity = (((uint64_t)all + having + 1) << 8) / ((uint64_t)having + 1);
    uint32_t steps = ranking_quarter_log2(rarity);

    return (uint16_t)((steps > 0 ? steps : 1) * (is_optional ? OPTIONAL_UNIT : WEIGHT_UNIT));
}

uint16_t ranking_word_score(uint16_t before, uint32_t found)
{
    uint32_t score = found > before ? found : before + found / FURTHER_DIVISOR;

    return (uint16_t)(score > UINT16_MAX ? UINT16_MAX : score);
}

static uint32_t words_score(const struct ranking_question *question,
                            const struct ranking_match *match)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < question->count; i++) {
        if ((question->known >> i & 1) != 0)
            sum += (uint64_t)question->weight[i] * match->scores[i];
    }
    return question->weights > 0 ? (uint32_t)(sum / question->weights) : 0;
}

/* Places of the title that were asked for. */
static uint64_t places_covered(const struct ranking_question *question,
                               const struct ranking_match *match)
{
    uint64_t covered = 0;

    for (uint32_t i = 0; i < question->count; i++) {
        if ((question->known >> i & 1) != 0)
            covered |= match->positions[i];
    }
    return covered;
}

static uint32_t phrase_score(const struct ranking_question *question,
                             const struct ranking_match *match, uint64_t covered)
{
    uint32_t neighbours = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i + 1 < question->count; i++) {
        if ((question->known >> i & 3) != 3)
            continue;
        neighbours++;
        kept += (match->positions[i] << 1 & match->positions[i + 1]) != 0;
    }
    if (neighbours > 0)
        return RANKING_PHRASE * kept / neighbours;
    return covered != 0 ? RANKING_PHRASE : 0;
}

static uint32_t title_score(const struct ranking_match *match, uint64_t covered)
{
    uint32_t score = (covered & 1) != 0 ? RANKING_BEGINNING : 0;
    uint32_t head = match->head_words;

    if (match->title_words > 0)
        score += RANKING_COVER * bits(covered) / match->title_words;
    if (head > 0 && head < RANKING_POSITIONS)
        score += RANKING_HEAD * bits(covered & ((UINT64_C(1) << head) - 1)) / head;
    return score;
}

static uint32_t brand_score(const struct ranking_question *question,
                            const struct ranking_match *match)
{
    uint32_t named = bits(match->brand);
    uint32_t known = bits(question->known);

    if (named == 0 || named < match->brand_words || known == 0)
        return 0;
    return RANKING_BRAND_NAMED * named / known;
}

static uint32_t category_score(const struct ranking_question *question,
                               const struct ranking_match *match)
{
    uint32_t named = bits(match->category & question->needed);
    uint32_t needed = bits(question->needed);

    if (needed == 0)
        return 0;
    if (named < needed)
        return RANKING_CATEGORY_SOME * named / needed;
    if (named == match->category_words)
        return RANKING_CATEGORY_ALL + RANKING_CATEGORY_WHOLE;
    return RANKING_CATEGORY_ALL + RANKING_CATEGORY_NEARLY * named /
                                      (match->category_words > 0 ? match->category_words : 1);
}

uint32_t ranking_of(const struct ranking_question *question, const struct ranking_match *match)
{
    uint32_t missing = bits(question->needed & ~match->found) + question->unknown;
    uint64_t covered = places_covered(question, match);
    uint64_t score = words_score(question, match);

    score += phrase_score(question, match, covered) + title_score(match, covered);
    score += brand_score(question, match) + category_score(question, match);
    score = score * question->worth / RANKING_ONE / RANKING_STEP;
    if (missing > MISSING_MAX)
        missing = MISSING_MAX;
    if (score >= UINT32_C(1) << MISSING_SHIFT)
        score = (UINT32_C(1) << MISSING_SHIFT) - 1;
    return (MISSING_MAX - missing) << MISSING_SHIFT | (uint32_t)score;
}

uint32_t ranking_missing(uint32_t rank)
{
    return MISSING_MAX - (rank >> MISSING_SHIFT);
}
