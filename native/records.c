/* TFRecord's frames and tf.Example's wire format, from bytes to columns.
 *
 * Called by python/sparktf/records/native.py through ctypes, without Python's lock. Nothing here
 * allocates, keeps state or knows of files: all memory belongs to the caller. Bytes of records are
 * not trusted: every length is compared with what is left before it is used, and nothing is written
 * behind what the caller has given; what does not fit is counted, so that the caller can give more.
 *
 * A record that is laid out in an unusual way is not decoded but reported (`odd`): protobuf itself
 * writes it once more, and then it is decoded. So the rules here are those of the usual layout.
 */

#include "records.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Loads of little-endian numbers, wherever they lie. All platforms built for are little-endian. */

ALWAYS_INLINE uint32_t load32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

ALWAYS_INLINE uint64_t load64(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, 8);
  return value;
}

/* ---------------------------------------------------------------- CRC-32C */

/* By tables, eight bytes at a time, where the processor has no instruction for it. */
static uint32_t crc_tables[8][256];
static int has_instruction;

static uint32_t crc_by_tables(uint32_t crc, const uint8_t *at, uint64_t size) {
  for (; size >= 8; at += 8, size -= 8) {
    uint32_t low = load32(at) ^ crc, high = load32(at + 4);
    crc = crc_tables[7][low & 0xFF] ^ crc_tables[6][low >> 8 & 0xFF] ^
          crc_tables[5][low >> 16 & 0xFF] ^ crc_tables[4][low >> 24] ^
          crc_tables[3][high & 0xFF] ^ crc_tables[2][high >> 8 & 0xFF] ^
          crc_tables[1][high >> 16 & 0xFF] ^ crc_tables[0][high >> 24];
  }
  for (; size; at++, size--) crc = crc >> 8 ^ crc_tables[0][(crc ^ *at) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
#define CRC_TARGET __attribute__((target("sse4.2,crc32")))
#define CRC8(crc, value) ((uint32_t)__builtin_ia32_crc32di((crc), (value)))
#define CRC1(crc, value) __builtin_ia32_crc32qi((crc), (value))
#elif defined(__aarch64__)
#if defined(__clang__)
#define CRC_TARGET __attribute__((target("crc")))
#else
#define CRC_TARGET __attribute__((target("+crc")))
#endif
#define CRC8(crc, value) __builtin_arm_crc32cd((crc), (value))
#define CRC1(crc, value) __builtin_arm_crc32cb((crc), (value))
#endif

#ifdef CRC_TARGET
CRC_TARGET static uint32_t crc_by_instruction(uint32_t crc, const uint8_t *at, uint64_t size) {
  for (; size >= 8; at += 8, size -= 8) crc = CRC8(crc, load64(at));
  for (; size; at++, size--) crc = CRC1(crc, *at);
  return crc;
}
#endif

ALWAYS_INLINE uint32_t masked_crc(const uint8_t *at, uint64_t size) {
  uint32_t crc = 0xFFFFFFFFu;
#ifdef CRC_TARGET
  crc = has_instruction ? crc_by_instruction(crc, at, size) : crc_by_tables(crc, at, size);
#else
  crc = crc_by_tables(crc, at, size);
#endif
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* Whether the processor has such an instruction. */
static int find_instruction(void) {
#if defined(__x86_64__)
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_SSE4_2);
#elif defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
  return 1; /* all of Apple's have it */
#else
  return 0;
#endif
}

/* Must be called once, before all else. `version` is what the caller was written for; whether that
 * is what is here. With `plain` no instruction is used that a processor may not have. */
EXPORT int32_t sparktf_begin(int32_t version, int32_t plain) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    crc_tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (int table = 1; table < 8; table++) {
      uint32_t before = crc_tables[table - 1][byte];
      crc_tables[table][byte] = before >> 8 ^ crc_tables[0][before & 0xFF];
    }
  }
  has_instruction = !plain && find_instruction();
  return version == VERSION;
}

EXPORT uint32_t sparktf_masked_crc(const uint8_t *at, int64_t size) {
  return masked_crc(at, (uint64_t)size);
}

/* ---------------------------------------------------------------- frames */

enum { HEADER = 12, FRAME = HEADER + CHECKSUM };

/* Finds the whole frames at the beginning of a buffer, up to `most`. The checksums of lengths are
 * compared, those of records are not.
 *
 * `begins` and `lengths` get where each record begins, behind its header, and how long it is;
 * `consumed` how many bytes the frames found have. `needed` is how many bytes the frame that comes
 * next has, as far as is known (0 where `most` were found before the end), and -1 where the checksum
 * of its length differs. The number of frames found is returned.
 */
EXPORT int64_t sparktf_frames(const uint8_t *buffer, int64_t size, int64_t most, int64_t *begins,
                              int64_t *lengths, int64_t *consumed, int64_t *needed) {
  int64_t at = 0, found = 0;
  *needed = 0;
  while (found < most) {
    *needed = HEADER;
    if (size - at < HEADER) break;
    uint64_t length = load64(buffer + at);
    if (UNLIKELY(masked_crc(buffer + at, 8) != load32(buffer + at + 8) ||
                 length > INT64_MAX - FRAME)) {
      *needed = -1;
      break;
    }
    *needed = (int64_t)length + FRAME;
    if (size - at < *needed) break;
    begins[found] = at + HEADER;
    lengths[found++] = (int64_t)length;
    at += *needed;
    *needed = 0;
  }
  *consumed = at;
  return found;
}

/* A record, wherever it lies: RECORD words. */
enum { ADDRESS = 0, LENGTH = 1, OFFSET = 2, FILE_NUMBER = 3, RECORD = 4 };

/* Draws records from a buffer of them: the i-th drawn is the `draws[i]`-th, whose place the i-th of
 * those that come takes. */
EXPORT void sparktf_exchange(int64_t *buffer, const int64_t *coming, const int64_t *draws,
                             int64_t count, int64_t *drawn) {
  for (int64_t i = 0; i < count; i++) {
    int64_t *place = buffer + RECORD * draws[i];
    memcpy(drawn + RECORD * i, place, RECORD * sizeof *place);
    memcpy(place, coming + RECORD * i, RECORD * sizeof *place);
  }
}

/* Copies records, each with the checksum behind it, one behind another. */
EXPORT void sparktf_copy(const int64_t *addresses, const int64_t *lengths, int64_t count,
                         uint8_t *into) {
  for (int64_t i = 0; i < count; i++) {
    size_t size = (size_t)lengths[i] + CHECKSUM;
    memcpy(into, (const uint8_t *)(uintptr_t)addresses[i], size);
    into += size;
  }
}

/* ---------------------------------------------------------------- columns */

typedef struct {
  const uint8_t *at, *end;
} Bytes;

/* A varint, at most ten bytes long; whether there was one. What is above 64 bits is lost, as in
 * protobuf. */
ALWAYS_INLINE int read_varint(Bytes *from, uint64_t *value) {
  const uint8_t *at = from->at;
  if (UNLIKELY(at == from->end)) return 0;
  uint64_t byte = *at++, result = byte & 0x7F;
  if (UNLIKELY(byte & 0x80)) {
    int shift = 7;
    do {
      if (at == from->end || shift > 63) return 0;
      byte = *at++;
      result |= (byte & 0x7F) << shift;
      shift += 7;
    } while (byte & 0x80);
  }
  from->at = at;
  *value = result;
  return 1;
}

/* The bytes behind a tag of one byte and a length, and `from` behind them; whether that is there. */
ALWAYS_INLINE int read_bytes(Bytes *from, uint8_t tag, Bytes *found) {
  uint64_t size;
  if (UNLIKELY(from->at == from->end || *from->at != tag)) return 0;
  from->at++;
  if (UNLIKELY(!read_varint(from, &size) || size > (uint64_t)(from->end - from->at))) return 0;
  found->at = from->at;
  found->end = from->at += size;
  return 1;
}

ALWAYS_INLINE int same(const uint8_t *one, const uint8_t *other, int64_t size) {
  if (size >= 8) {
    for (int64_t i = 0; i + 8 <= size; i += 8) {
      if (load64(one + i) != load64(other + i)) return 0;
    }
    return load64(one + size - 8) == load64(other + size - 8);
  }
  if (size >= 4) {
    return load32(one) == load32(other) && load32(one + size - 4) == load32(other + size - 4);
  }
  for (int64_t i = 0; i < size; i++) {
    if (one[i] != other[i]) return 0;
  }
  return 1;
}

static uint64_t hash_of(const uint8_t *name, int64_t size, int64_t is_list) {
  uint64_t hash = 0xCBF29CE484222325u ^ (uint64_t)is_list;
  for (int64_t i = 0; i < size; i++) hash = (hash ^ name[i]) * 0x100000001B3u;
  return hash ^ hash >> 32;
}

/* Fills a table, whose size is a power of two and more than the number of columns, by which
 * `sparktf_decode` finds a column's number by its name: it has -1 where there is none. */
EXPORT void sparktf_index(const Column *columns, int64_t count, int32_t *table, int64_t size) {
  for (int64_t i = 0; i < size; i++) table[i] = -1;
  for (int64_t number = 0; number < count; number++) {
    const Column *column = &columns[number];
    if (column->kind == WHOLE) continue;
    uint64_t place = hash_of(column->name, column->name_length, column->is_list);
    while (table[place & (uint64_t)(size - 1)] >= 0) place++;
    table[place & (uint64_t)(size - 1)] = (int32_t)number;
  }
}

static int32_t find(const Column *columns, const int32_t *table, int64_t size, Bytes name,
                    int64_t is_list) {
  int64_t length = name.end - name.at;
  for (uint64_t place = hash_of(name.at, length, is_list);; place++) {
    int32_t number = table[place & (uint64_t)(size - 1)];
    if (number < 0) return -1;
    const Column *column = &columns[number];
    if (column->name_length == length && column->is_list == is_list &&
        same(column->name, name.at, length)) {
      return number;
    }
  }
}

/* The entries that records had at their first places, in the order in which they came. Most often the
 * next record has the same there, up to the values themselves: then a comparison of its first bytes,
 * in which all lengths are, does instead of reading them. */
enum { PLACES = 1024 };
typedef struct {
  const uint8_t *entry; /* in a record of this call */
  int32_t prefix;       /* how many bytes come before the values, 0 where it is to be read again */
  int32_t size;         /* how many bytes the values are, or, of no column, the rest of the entry */
  const uint8_t *name;
  int32_t name_length;
  int32_t column;
} Place;

/* Sets a string of TensorFlow's: a short one lies in itself, a longer one in memory that TensorFlow
 * frees. */
enum { SHORT_STRING = 22 };

void sparktf_set_string(uint8_t *string, const uint8_t *at, int64_t size) {
  uint64_t words[3];
  memcpy(words, string, sizeof words);
  if ((words[0] & 3) == 1) free((void *)(uintptr_t)words[2]); /* it comes twice in a record */
  if (size <= SHORT_STRING) {
    memset(string, 0, STRING_SIZE);
    string[0] = (uint8_t)(size << 2);
    memcpy(string + 1, at, (size_t)size);
    return;
  }
  uint64_t room = ((uint64_t)size + 16) & ~(uint64_t)15;
  uint8_t *copy = malloc(room);
  if (!copy) abort();
  memcpy(copy, at, (size_t)size);
  copy[size] = 0;
  words[0] = (uint64_t)size << 2 | 1;
  words[1] = room - 1;
  words[2] = (uint64_t)(uintptr_t)copy;
  memcpy(string, words, sizeof words);
}

/* Appends a string; `column->content` has room for it, or not. */
ALWAYS_INLINE void add_string(Column *column, const uint8_t *at, int64_t size) {
  const int has_room = column->values_used < column->values_size;
  if (column->as_tensor) {
    if (has_room) sparktf_set_string(column->values + STRING_SIZE * column->values_used, at, size);
  } else {
    if (size <= column->content_size - column->content_used) {
      memcpy(column->content + column->content_used, at, (size_t)size);
    }
    column->content_used += size;
    if (has_room) ((int64_t *)column->values)[column->values_used + 1] = column->content_used;
  }
  column->values_used++;
}

/* Appends packed whole numbers; whether they are such. */
ALWAYS_INLINE int add_ints(Column *column, Bytes packed) {
  int64_t used = column->values_used;
  const int64_t room = column->values_size;
  int64_t *values = (int64_t *)column->values;
  uint64_t value;
  if (LIKELY(packed.end - packed.at <= room - used)) { /* a value has a byte at least */
    while (packed.at < packed.end) {
      if (UNLIKELY(!read_varint(&packed, &value))) return 0;
      values[used++] = (int64_t)value;
    }
  } else {
    while (packed.at < packed.end) {
      if (UNLIKELY(!read_varint(&packed, &value))) return 0;
      if (used < room) values[used] = (int64_t)value;
      used++;
    }
  }
  column->values_used = used;
  return 1;
}

/* Appends packed floats; whether they are such. */
ALWAYS_INLINE int add_floats(Column *column, Bytes packed) {
  const int64_t size = packed.end - packed.at, count = size / 4;
  if (UNLIKELY(size % 4)) return 0;
  if (LIKELY(count <= column->values_size - column->values_used)) {
    uint8_t *into = column->values + 4 * column->values_used;
    if (count == 1) {
      memcpy(into, packed.at, 4);
    } else {
      memcpy(into, packed.at, (size_t)size);
    }
  }
  column->values_used += count;
  return 1;
}

/* Appends what a list of a feature has in one of its fields, values or one string. */
ALWAYS_INLINE int add_field(Column *column, Bytes field) {
  if (column->kind == FLOATS) return add_floats(column, field);
  if (column->kind == INTS) return add_ints(column, field);
  add_string(column, field.at, field.end - field.at);
  return 1;
}

/* Appends the values of a list of a feature. Whether it is laid out as usual; `only` is then its
 * field, where it has one alone, and else NULL. */
ALWAYS_INLINE int add_values(Column *column, Bytes list, Bytes *only) {
  int fields = 0;
  while (list.at < list.end) {
    Bytes field;
    const uint8_t tag = *list.at;
    fields++;
    if (LIKELY(tag == 0x0A)) {
      if (UNLIKELY(!read_bytes(&list, 0x0A, &field) || !add_field(column, field))) return 0;
      *only = field;
      continue;
    }
    fields++;
    field.at = ++list.at;
    if (column->kind == FLOATS && tag == 0x0D && list.end - list.at >= 4) {
      list.at += 4;
    } else if (column->kind == INTS && tag == 0x08) {
      uint64_t value;
      if (!read_varint(&list, &value)) return 0;
    } else {
      return 0;
    }
    field.end = list.at;
    if (!add_field(column, field)) return 0;
  }
  if (fields != 1) only->at = NULL;
  return 1;
}

/* The list of a Feature, and its kind: 0 where it has none. Whether it is laid out as usual. */
ALWAYS_INLINE int read_feature(Bytes feature, Bytes *list, int64_t *kind) {
  if (feature.at == feature.end) {
    *kind = 0;
    return 1;
  }
  uint8_t tag = *feature.at;
  *kind = tag >> 3;
  return (tag == 0x0A || tag == 0x12 || tag == 0x1A) && read_bytes(&feature, tag, list) &&
         feature.at == feature.end;
}

/* Goes back to what there was before this row, whose feature comes once more: the last one counts. */
ALWAYS_INLINE void begin_row(Column *column, int64_t row) {
  if (UNLIKELY(column->row == row)) {
    column->values_used = column->values_before;
    column->content_used = column->content_before;
    column->steps_used = column->steps_before;
    return;
  }
  column->row = row;
  column->values_before = column->values_used;
  column->content_before = column->content_used;
  column->steps_before = column->steps_used;
}

/* What stands for a feature that the row does not have. */
ALWAYS_INLINE void add_missing(Column *column, int64_t row) {
  if (column->form != DENSE) {
    column->splits[row + 1] = column->form == STEPS ? column->steps_used : column->values_used;
    return;
  }
  const int64_t count = column->width, used = column->values_used;
  if (column->kind == BYTES) {
    const int64_t *ends = (const int64_t *)column->missing;
    for (int64_t i = 0, begin = 0; i < count; begin = ends[i++]) {
      add_string(column, column->missing_content + begin, ends[i] - begin);
    }
    return;
  }
  if (count <= column->values_size - used) {
    const size_t size = column->kind == INTS ? 8 : 4;
    memcpy(column->values + size * (size_t)used, column->missing, size * (size_t)count);
  }
  column->values_used = used + count;
}

/* What follows on the values of a feature. */
ALWAYS_INLINE int end_feature(Column *column, int64_t row, int64_t *found) {
  if (column->form == RAGGED) {
    column->splits[row + 1] = column->values_used;
  } else if (UNLIKELY(column->values_used - column->values_before != column->width)) {
    *found = column->values_used - column->values_before;
    return BAD_COUNT;
  }
  return FINE;
}

/* A feature of the row; `only` as add_values has it. */
ALWAYS_INLINE int add_feature(Column *column, Bytes feature, int64_t row, int64_t *found,
                              Bytes *only) {
  Bytes list = {NULL, NULL};
  int64_t kind;
  if (UNLIKELY(!read_feature(feature, &list, &kind))) return ODD;
  if (UNLIKELY(!kind)) { /* as good as no feature */
    return column->row == row ? ODD : FINE; /* there was one, for which this stands: seldom enough */
  }
  begin_row(column, row);
  if (UNLIKELY(kind != column->kind)) {
    if (list.at == list.end) return end_feature(column, row, found); /* fits every type */
    *found = kind;
    return BAD_KIND;
  }
  if (UNLIKELY(!add_values(column, list, only))) return ODD;
  return end_feature(column, row, found);
}

/* A feature list of the row. */
static int add_feature_list(Column *column, Bytes steps, int64_t row, int64_t *found) {
  begin_row(column, row);
  while (steps.at < steps.end) {
    Bytes feature, list = {NULL, NULL};
    int64_t kind;
    if (!read_bytes(&steps, 0x0A, &feature) || !read_feature(feature, &list, &kind)) return ODD;
    if (kind == column->kind) {
      Bytes only;
      if (!add_values(column, list, &only)) return ODD;
    } else if (list.at < list.end) {
      *found = kind;
      return BAD_KIND;
    }
    if (column->steps_used < column->steps_size) {
      column->steps[column->steps_used + 1] = column->values_used;
    }
    column->steps_used++;
  }
  column->splits[row + 1] = column->steps_used;
  return FINE;
}

/* Decodes records into columns. Returns how many rows have a problem; the first `most` of them, in
 * the order of the rows, are in `problems`. What columns then hold is of no use.
 *
 * `addresses`: where each record begins; `flags`: CHECK and FINAL of each. Of columns all fields but the last must be set; `table` is theirs.
 */
EXPORT int64_t sparktf_decode(const int64_t *addresses, const int64_t *lengths,
                              const uint8_t *flags, int64_t rows, int64_t record_type,
                              Column *columns, int64_t count, const int32_t *table,
                              int64_t table_size, Problem *problems, int64_t most) {
  Place places[PLACES];
  int64_t known = 0, bad = 0;
  for (int64_t i = 0; i < count; i++) {
    Column *column = &columns[i];
    column->row = -1;
    column->values_used = column->content_used = column->steps_used = 0;
    if ((column->kind == BYTES || column->kind == WHOLE) && !column->as_tensor) *(int64_t *)column->values = 0;
    if (column->form != DENSE) column->splits[0] = 0;
    if (column->form == STEPS) column->steps[0] = 0;
  }
  for (int64_t row = 0; row < rows; row++) {
    const uint8_t *begin = (const uint8_t *)(uintptr_t)addresses[row];
    Bytes record = {begin, begin + lengths[row]};
    int64_t place = 0, seen = 0, number = -1, found = 0;
    int problem = FINE;
    if ((flags[row] & CHECK) &&
        UNLIKELY(masked_crc(begin, (uint64_t)lengths[row]) != load32(record.end))) {
      problem = BAD_CHECKSUM;
      goto done;
    }
    while (record_type != ANYTHING && record.at < record.end) {
      Bytes entries;
      const int64_t is_list = *record.at == 0x12;
      if (UNLIKELY((is_list && record_type != SEQUENCE_EXAMPLE) ||
                   !read_bytes(&record, is_list ? 0x12 : 0x0A, &entries))) {
        problem = ODD;
        goto done;
      }
      while (entries.at < entries.end) {
        Place *known_place = place < PLACES ? &places[place] : NULL;
        if (LIKELY(place < known && !is_list && known_place->prefix &&
                   entries.end - entries.at >= (int64_t)known_place->prefix + known_place->size &&
                   same(known_place->entry, entries.at, known_place->prefix))) {
          Bytes values;
          values.at = entries.at + known_place->prefix;
          values.end = entries.at = values.at + known_place->size;
          number = known_place->column;
          place++;
          if (number < 0) continue;
          Column *column = &columns[number];
          seen += column->row != row;
          begin_row(column, row);
          problem = UNLIKELY(!add_field(column, values)) ? ODD : end_feature(column, row, &found);
          if (UNLIKELY(problem)) goto done;
          continue;
        }
        const uint8_t *entry_begin = entries.at;
        Bytes entry, name, value, only = {NULL, NULL};
        if (UNLIKELY(!read_bytes(&entries, 0x0A, &entry) || !read_bytes(&entry, 0x0A, &name) ||
                     !read_bytes(&entry, 0x12, &value) || entry.at != entry.end)) {
          problem = ODD;
          goto done;
        }
        const int64_t length = name.end - name.at;
        if (UNLIKELY(is_list)) {
          number = find(columns, table, table_size, name, is_list);
          if (number < 0) continue;
          seen += columns[number].row != row;
          problem = add_feature_list(&columns[number], value, row, &found);
          if (problem) goto done;
          continue;
        }
        if (place < known && known_place->name_length == length &&
            same(known_place->name, name.at, length)) {
          number = known_place->column;
        } else {
          number = find(columns, table, table_size, name, is_list);
        }
        if (number >= 0) {
          Column *column = &columns[number];
          const int64_t last = column->row;
          problem = add_feature(column, value, row, &found, &only);
          if (UNLIKELY(problem)) goto done;
          seen += last != row && column->row == row;
        } else {
          only = value;
        }
        if (known_place && value.end - entry_begin <= INT32_MAX) {
          known_place->entry = entry_begin;
          known_place->prefix = only.at ? (int32_t)(only.at - entry_begin) : 0;
          known_place->size = only.at ? (int32_t)(only.end - only.at) : 0;
          known_place->name = name.at;
          known_place->name_length = (int32_t)length;
          known_place->column = (int32_t)number;
          place++;
          if (place > known) known = place;
        }
      }
    }
    if (UNLIKELY(seen < count)) {
      for (number = 0; number < count; number++) {
        Column *column = &columns[number];
        if (column->row == row) continue;
        if (column->kind == WHOLE) {
          add_string(column, begin, lengths[row]);
          continue;
        }
        if (column->form == DENSE && !column->missing) {
          problem = NO_VALUE;
          goto done;
        }
        add_missing(column, row);
      }
    }
  done:
    if (UNLIKELY(problem)) {
      if (!(flags[row] & FINAL) && problem != BAD_CHECKSUM) problem = ODD;
      if (bad < most) {
        Problem *known_problem = &problems[bad];
        known_problem->row = row;
        known_problem->column = number;
        known_problem->problem = problem;
        known_problem->found = found;
      }
      bad++;
    }
  }
  return bad;
}
