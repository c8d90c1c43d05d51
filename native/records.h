/* What records.c gives to tensorflow.c, and both to python/sparktf/records/native.py. */

#ifndef SPARKTF_RECORDS_H
#define SPARKTF_RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Grows with each change of what is exported: a library of another age is not used. */
enum { VERSION = 1 };

/* The numbers of Feature's fields; and a column that is the records themselves, of width 1. */
enum { BYTES = 1, FLOATS = 2, INTS = 3, WHOLE = 4 };

/* What records are. */
enum { EXAMPLE = 0, SEQUENCE_EXAMPLE = 1, ANYTHING = 2 };

/* How a column's rows are kept. */
enum {
  DENSE = 0,  /* `width` values a row */
  RAGGED = 1, /* any number of values a row, from splits[row] to splits[row + 1] */
  STEPS = 2   /* any number of lists a row, so split, whose values lie between steps */
};

/* The caller's; `native.py` has the same.
 *
 * Values are int64 or float32. Of strings they are the int64 offsets in `content` at which each
 * ends, and the first of them, in front of all, is 0.
 */
typedef struct {
  const uint8_t *name;
  int64_t name_length;
  int64_t is_list; /* whether it is a feature list of a SequenceExample */
  int64_t kind;
  int64_t form;
  int64_t width;
  const int64_t *shape; /* DENSE, for tensorflow.c: the number of a row's dimensions, and each */
  const uint8_t *missing;        /* DENSE: the values of a row without the feature, or NULL */
  const uint8_t *missing_content; /* their bytes, where they are strings */
  uint8_t *values;
  int64_t values_size; /* how many there is room for */
  uint8_t *content;
  int64_t content_size;
  int64_t *splits; /* RAGGED, STEPS: there is room for one more than rows */
  int64_t *steps;  /* STEPS: where each one's values end, and 0 in front of all */
  int64_t steps_size;
  int64_t as_tensor; /* DENSE strings, and WHOLE: whether values are TensorFlow's instead, each one empty */
  /* Set here: how much there is of each, whether or not there was room. */
  int64_t values_used;
  int64_t content_used;
  int64_t steps_used;
  /* Of this call alone: the last row that had it, and what had been used before. */
  int64_t row;
  int64_t values_before;
  int64_t content_before;
  int64_t steps_before;
} Column;

/* What is wrong with a row. */
enum {
  FINE = 0,
  ODD = 1,          /* it is laid out in an unusual way, or is no message at all */
  BAD_CHECKSUM = 2, /* the record's own checksum differs */
  BAD_KIND = 3,     /* a feature has a list of another kind; `found` is the list's number */
  BAD_COUNT = 4,    /* a feature has another number of values than `width`; `found` is theirs */
  NO_VALUE = 5      /* a feature is not there, and nothing stands for it */
};

/* What the caller says of a row. */
enum {
  CHECK = 1, /* compare the checksum that lies behind the record */
  FINAL = 2  /* protobuf wrote it: what is wrong with it is wrong */
};

typedef struct {
  int64_t row, column, problem, found;
} Problem;

enum { CHECKSUM = 4 }; /* bytes, behind a record */

/* A string of TensorFlow's, as its ctstring_internal.h has them since 2.3. */
enum { STRING_SIZE = 24 };
void sparktf_set_string(uint8_t *string, const uint8_t *at, int64_t size);

int64_t sparktf_decode(const int64_t *addresses, const int64_t *lengths, const uint8_t *flags,
                       int64_t rows, int64_t record_type, Column *columns, int64_t count,
                       const int32_t *table, int64_t table_size, Problem *problems, int64_t most);

#endif
