/* SPDX-License-Identifier: MIT */
/* meta_model.h - the present as plain lists, and random operations on it.
 *
 * Every operation is done to the model and to a state; meta_model_check()
 * compares the two through every getter and iterator. */
#ifndef VARVE_TESTS_META_MODEL_H
#define VARVE_TESTS_META_MODEL_H

#include "meta/state.h"

struct meta_model;

struct meta_model *meta_model_new(uint64_t seed, struct state *st,
				  struct reader *rd);
void meta_model_free(struct meta_model *m);
/* One random operation. */
void meta_model_step(struct meta_model *m);
/* Asks the state a few random questions. */
void meta_model_probe(struct meta_model *m);
/* Compares everything. */
void meta_model_check(struct meta_model *m);
/* The state was replaced by another that should be the same. */
void meta_model_move(struct meta_model *m, struct state *st, struct reader *rd);

uint64_t meta_random(uint64_t *state);
extern const uint8_t meta_key[16];

#endif
