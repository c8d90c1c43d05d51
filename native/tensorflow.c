/* `SparktfDecode`, an operation of TensorFlow's that decodes records into tensors, and `SparktfCheck`,
 * which fails with a message.
 *
 * They are registered through TensorFlow's C interface for operations (tensorflow/c/ops.h and kernels.h),
 * whose functions the caller hands over by their addresses: this library asks for no TensorFlow where
 * there is none.
 *
 *     SparktfDecode(spec: uint8, keeper: uint8, addresses: int64, lengths: int64)
 *       -> columns: Tout, problems: int64
 *
 * `addresses` are those of records in this process's memory, each with its checksum behind it. They
 * live as long as `keeper`, an array that the caller made so; it begins with its own address, or else
 * it is a copy, which keeps nothing. `spec` says what columns are wanted, see Spec. Of a DENSE column
 * there is one tensor, of batches, of a RAGGED one its values and splits, of STEPS the values, the
 * ends of the steps and the splits. Where `problems`, the number of records that have one, is not 0,
 * they are of no use.
 *
 *     SparktfCheck(complaint: uint8)
 *
 * is an INVALID_ARGUMENT that says so where there is one, letter by letter as TensorFlow's own Assert
 * does not.
 */

#include "records.h"

typedef struct TF_Tensor TF_Tensor;
typedef struct TF_Status TF_Status;
typedef struct TF_OpKernelContext TF_OpKernelContext;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;

/* In the order in which `native.py` names them. */
typedef struct {
  TF_OpDefinitionBuilder *(*new_op)(const char *);
  void (*add_attr)(TF_OpDefinitionBuilder *, const char *);
  void (*add_input)(TF_OpDefinitionBuilder *, const char *);
  void (*add_output)(TF_OpDefinitionBuilder *, const char *);
  void (*set_is_stateful)(TF_OpDefinitionBuilder *, unsigned char);
  void (*set_shape_function)(TF_OpDefinitionBuilder *,
                             void (*)(TF_ShapeInferenceContext *, TF_Status *));
  void (*register_op)(TF_OpDefinitionBuilder *, TF_Status *);
  TF_KernelBuilder *(*new_kernel)(const char *, const char *, void *(*)(void *),
                                  void (*)(void *, TF_OpKernelContext *), void (*)(void *));
  void (*register_kernel)(const char *, TF_KernelBuilder *, TF_Status *);
  TF_Status *(*new_status)(void);
  void (*delete_status)(TF_Status *);
  void (*set_status)(TF_Status *, int, const char *);
  int (*get_code)(const TF_Status *);
  void (*get_input)(TF_OpKernelContext *, int, TF_Tensor **, TF_Status *);
  TF_Tensor *(*allocate_output)(TF_OpKernelContext *, int, int, const int64_t *, int, size_t,
                                TF_Status *);
  void *(*get_data)(const TF_Tensor *);
  int64_t (*count_elements)(const TF_Tensor *);
  void (*delete_tensor)(TF_Tensor *);
  void (*fail)(TF_OpKernelContext *, TF_Status *);
  void (*set_unknown_shape)(TF_ShapeInferenceContext *, TF_Status *);
} TensorFlow;

static TensorFlow tf;

static const char DECODE[] = "SparktfDecode", CHECK_NAME[] = "SparktfCheck";
enum { TF_FLOAT = 1, TF_STRING = 7, TF_INT64 = 9 };
enum { TF_INVALID_ARGUMENT = 3, TF_RESOURCE_EXHAUSTED = 8 };
enum { SPEC, KEEPER, ADDRESSES, LENGTHS, INPUTS };

/* What a spec begins with. Behind it are the columns, with places in the spec for the addresses of
 * what is theirs (0 for none), the table, names, shapes and values.
 *
 * Rows come in batches of `batch_size`, all of them full; or else they are one batch.
 */
typedef struct {
  int64_t columns, record_type, table, table_size, batch_size;
} Spec;

/* How protobuf writes a record: 0, and it has been given to `into` by sparktf_give; or else it is no
 * message. */
typedef int32_t (*Rewrite)(int64_t record_type, const uint8_t *record, int64_t length, void *into);
static Rewrite rewrite;

typedef struct {
  uint8_t *bytes;
  int64_t length;
} Record;

EXPORT void sparktf_give(void *into, const uint8_t *bytes, int64_t length) {
  Record *record = into;
  record->bytes = malloc((size_t)length + CHECKSUM);
  record->length = length;
  if (record->bytes && length) memcpy(record->bytes, bytes, (size_t)length);
}

/* A call. */
typedef struct {
  TF_OpKernelContext *context;
  TF_Status *status;
  TF_Tensor *inputs[INPUTS];
  const Spec *spec;
  int64_t rows, bytes;
  Column *columns;
  int64_t *addresses, *lengths;
  uint8_t *flags;
  TF_Tensor **outputs; /* the values of DENSE columns */
  Record *rewritten;
  int64_t rewritten_count;
} Call;

/* By kinds. */
static const int TYPES[] = {0, TF_STRING, TF_FLOAT, TF_INT64, TF_STRING};
static const size_t SIZES[] = {0, STRING_SIZE, 4, 8, STRING_SIZE};

static int fail(Call *call, int code, const char *message) {
  tf.set_status(call->status, code, message);
  return 0;
}

static int no_memory(Call *call) {
  return fail(call, TF_RESOURCE_EXHAUSTED, "SparktfDecode: there is no memory for the columns");
}

static TF_Tensor *add_output(Call *call, int index, int type, size_t size, int64_t count) {
  return tf.allocate_output(call->context, index, type, &count, 1, size * (size_t)count,
                            call->status);
}

/* One for a DENSE column, whose shape is in the spec: the number of dimensions, and each. */
static TF_Tensor *add_batches(Call *call, int index, const Column *column) {
  enum { MOST = 64 };
  int64_t dimensions[MOST + 2] = {1, call->rows}, count = call->rows;
  const int64_t size = call->spec->batch_size;
  if (size && call->rows % size == 0) {
    dimensions[0] = call->rows / size;
    dimensions[1] = size;
  }
  const int64_t *shape = column->shape;
  if (shape[0] > MOST) {
    fail(call, TF_INVALID_ARGUMENT, "SparktfDecode: more dimensions than any tensor has");
    return NULL;
  }
  for (int64_t i = 0; i < shape[0]; i++) count *= dimensions[2 + i] = shape[1 + i];
  return tf.allocate_output(call->context, index, TYPES[column->kind], dimensions,
                            2 + (int)shape[0], SIZES[column->kind] * (size_t)count, call->status);
}

/* A flat output with what is in an array. */
static int copy_output(Call *call, int index, int type, size_t size, const void *array,
                       int64_t count) {
  TF_Tensor *output = add_output(call, index, type, size, count);
  if (!output) return 0;
  if (count) memcpy(tf.get_data(output), array, size * (size_t)count);
  tf.delete_tensor(output);
  return 1;
}

/* Where records and columns are, as sparktf_decode takes them. */
static int begin(Call *call) {
  for (int i = 0; i < INPUTS; i++) {
    tf.get_input(call->context, i, &call->inputs[i], call->status);
    if (tf.get_code(call->status)) return 0;
  }
  const uint8_t *spec = tf.get_data(call->inputs[SPEC]);
  const uint8_t *keeper = tf.get_data(call->inputs[KEEPER]);
  if (tf.count_elements(call->inputs[SPEC]) < (int64_t)sizeof(Spec)) {
    return fail(call, TF_INVALID_ARGUMENT, "SparktfDecode: no spec");
  }
  uint64_t address = 0;
  if (tf.count_elements(call->inputs[KEEPER]) >= (int64_t)sizeof address) {
    memcpy(&address, keeper, sizeof address);
  }
  if (address != (uint64_t)(uintptr_t)keeper) {
    return fail(call, TF_INVALID_ARGUMENT,
                "SparktfDecode: the records' bytes are not known to be there any more, for "
                "TensorFlow has copied what keeps them. With SPARKTF_NATIVE=0 in the environment "
                "another way is taken");
  }
  call->spec = (const Spec *)spec;
  call->rows = tf.count_elements(call->inputs[ADDRESSES]);
  if (tf.count_elements(call->inputs[LENGTHS]) != call->rows) {
    return fail(call, TF_INVALID_ARGUMENT, "SparktfDecode: other numbers of addresses and lengths");
  }
  const size_t rows = (size_t)call->rows, count = (size_t)call->spec->columns;
  call->columns = calloc(count + 1, sizeof *call->columns);
  call->outputs = calloc(count + 1, sizeof *call->outputs);
  call->addresses = malloc(sizeof *call->addresses * (rows + 1));
  call->lengths = malloc(sizeof *call->lengths * (rows + 1));
  call->flags = malloc(rows + 1);
  if (!call->columns || !call->outputs || !call->addresses || !call->lengths || !call->flags) {
    return no_memory(call);
  }
  memset(call->flags, CHECK, rows);
  if (rows) {
    memcpy(call->addresses, tf.get_data(call->inputs[ADDRESSES]), sizeof *call->addresses * rows);
    memcpy(call->lengths, tf.get_data(call->inputs[LENGTHS]), sizeof *call->lengths * rows);
  }
  for (int64_t i = 0; i < call->rows; i++) call->bytes += call->lengths[i];
  memcpy(call->columns, spec + sizeof(Spec), sizeof *call->columns * count);
  for (size_t i = 0; i < count; i++) {
    Column *column = &call->columns[i];
    column->name = spec + (uintptr_t)column->name;
    column->shape = (const int64_t *)(spec + (uintptr_t)column->shape);
    if (column->missing) column->missing = spec + (uintptr_t)column->missing;
    if (column->missing_content) {
      column->missing_content = spec + (uintptr_t)column->missing_content;
    }
  }
  return 1;
}

static int grow(void *array, int64_t *room, int64_t needed, size_t size) {
  void *memory;
  memcpy(&memory, array, sizeof memory);
  free(memory);
  memory = malloc(size * ((size_t)needed + 1));
  memcpy(array, &memory, sizeof memory);
  *room = memory ? needed : 0;
  return memory != NULL;
}

static size_t value_size(const Column *column) { return column->kind == FLOATS ? 4 : 8; }

/* Memory for what is not known to be how much: enough for most records. */
static int give_room(Call *call) {
  int index = 0;
  for (int64_t i = 0; i < call->spec->columns; i++) {
    Column *column = &call->columns[i];
    if (column->form == DENSE) {
      column->values_size = call->rows * column->width;
      column->as_tensor = column->kind == BYTES || column->kind == WHOLE;
      call->outputs[i] = add_batches(call, index++, column);
      if (!call->outputs[i]) return 0;
      column->values = tf.get_data(call->outputs[i]);
      continue;
    }
    /* A value of these kinds has so many bytes at least; memory that is not used costs nothing. */
    const int64_t least = column->kind == FLOATS ? 4 : column->kind == BYTES ? 2 : 1;
    int64_t most = call->bytes / least, some = 16 * call->rows + 4 * most / call->spec->columns;
    if (!grow(&column->values, &column->values_size, some < most ? some : most,
              value_size(column))) {
      return no_memory(call);
    }
    column->splits = malloc(sizeof *column->splits * ((size_t)call->rows + 1));
    if (!column->splits) return no_memory(call);
    if (column->kind == BYTES &&
        !grow(&column->content, &column->content_size, call->bytes, 1)) {
      return no_memory(call);
    }
    if (column->form == STEPS &&
        !grow(&column->steps, &column->steps_size, 16 * call->rows, sizeof *column->steps)) {
      return no_memory(call);
    }
    index += column->form == STEPS ? 3 : 2;
  }
  return 1;
}

/* Whether all had room; where not, there is now. */
static int had_room(Call *call, int *failed) {
  int had = 1;
  for (int64_t i = 0; i < call->spec->columns; i++) {
    Column *column = &call->columns[i];
    if (column->form == DENSE) continue;
    if (column->values_used > column->values_size) {
      had = 0;
      *failed |= !grow(&column->values, &column->values_size, column->values_used,
                       value_size(column));
    }
    if (column->form == STEPS && column->steps_used > column->steps_size) {
      had = 0;
      *failed |= !grow(&column->steps, &column->steps_size, column->steps_used,
                       sizeof *column->steps);
    }
  }
  return had;
}

static int add_ragged_outputs(Call *call, Column *column, int *index) {
  if (column->kind != BYTES) {
    if (!copy_output(call, (*index)++, TYPES[column->kind], SIZES[column->kind], column->values,
                     column->values_used)) {
      return 0;
    }
  } else {
    TF_Tensor *output = add_output(call, (*index)++, TF_STRING, STRING_SIZE, column->values_used);
    if (!output) return 0;
    uint8_t *strings = tf.get_data(output);
    const int64_t *ends = (const int64_t *)column->values;
    for (int64_t i = 0; i < column->values_used; i++) {
      sparktf_set_string(strings + STRING_SIZE * i, column->content + ends[i],
                         ends[i + 1] - ends[i]);
    }
    tf.delete_tensor(output);
  }
  if (column->form == STEPS && !copy_output(call, (*index)++, TF_INT64, 8, column->steps,
                                            column->steps_used + 1)) {
    return 0;
  }
  return copy_output(call, (*index)++, TF_INT64, 8, column->splits, call->rows + 1);
}

/* Decodes all, with as much room as it takes; the number of records with problems, or -1. */
static int64_t decode_all(Call *call, Problem *problems, int64_t most) {
  int failed = 0;
  int64_t bad;
  do {
    bad = sparktf_decode(
        call->addresses, call->lengths, call->flags, call->rows, call->spec->record_type,
        call->columns, call->spec->columns,
        (const int32_t *)((const uint8_t *)call->spec + call->spec->table), call->spec->table_size,
        problems, most);
  } while (!bad && !had_room(call, &failed) && !failed);
  return failed ? -1 : bad;
}

/* Takes records with problems as protobuf writes them; whether all are messages. */
static int rewrite_all(Call *call, const Problem *problems, int64_t count) {
  memset(call->flags, 0, (size_t)call->rows);
  call->rewritten = calloc((size_t)count, sizeof *call->rewritten);
  if (!call->rewritten) return 0;
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = problems[i].row;
    Record *record = &call->rewritten[call->rewritten_count++];
    if (problems[i].problem == BAD_CHECKSUM ||
        rewrite(call->spec->record_type, (const uint8_t *)(uintptr_t)call->addresses[row],
                call->lengths[row], record) ||
        !record->bytes) {
      return 0;
    }
    call->bytes += record->length - call->lengths[row];
    call->addresses[row] = (int64_t)(uintptr_t)record->bytes;
    call->lengths[row] = record->length;
    call->flags[row] = FINAL;
  }
  return 1;
}

static int decode(Call *call) {
  if (!begin(call) || !give_room(call)) return 0;
  Problem *problems = malloc(sizeof *problems * ((size_t)call->rows + 1));
  if (!problems) return no_memory(call);
  int64_t bad = decode_all(call, problems, call->rows);
  if (bad > 0 && rewrite_all(call, problems, bad)) {
    /* A record may be longer as protobuf writes it. */
    for (int64_t i = 0; i < call->spec->columns && bad > 0; i++) {
      Column *column = &call->columns[i];
      if (column->form != DENSE && column->kind == BYTES &&
          !grow(&column->content, &column->content_size, call->bytes, 1)) {
        bad = -1;
      }
    }
    if (bad > 0) bad = decode_all(call, problems, call->rows);
  }
  free(problems);
  if (bad < 0) return no_memory(call);
  int index = 0;
  for (int64_t i = 0; i < call->spec->columns; i++) {
    Column *column = &call->columns[i];
    if (column->form == DENSE) {
      index++;
      continue;
    }
    if (bad) { /* whatever has been decoded */
      column->values_used = column->steps_used = 0;
      memset(column->splits, 0, sizeof *column->splits * ((size_t)call->rows + 1));
    }
    if (!add_ragged_outputs(call, column, &index)) return 0;
  }
  return copy_output(call, index, TF_INT64, 8, &bad, 1);
}

static void compute(void *state, TF_OpKernelContext *context) {
  (void)state;
  Call call = {.context = context, .status = tf.new_status()};
  if (!decode(&call)) {
    if (!tf.get_code(call.status)) no_memory(&call);
    tf.fail(context, call.status);
  }
  for (int64_t i = 0; call.columns && i < call.spec->columns; i++) {
    Column *column = &call.columns[i];
    if (call.outputs && call.outputs[i]) tf.delete_tensor(call.outputs[i]);
    if (column->form == DENSE) continue;
    free(column->values);
    free(column->splits);
    free(column->content);
    free(column->steps);
  }
  for (int i = 0; i < INPUTS; i++) {
    if (call.inputs[i]) tf.delete_tensor(call.inputs[i]);
  }
  for (int64_t i = 0; i < call.rewritten_count; i++) free(call.rewritten[i].bytes);
  free(call.rewritten);
  free(call.columns);
  free(call.outputs);
  free(call.addresses);
  free(call.lengths);
  free(call.flags);
  tf.delete_status(call.status);
}

static void *create(void *construction) {
  (void)construction;
  return NULL;
}

static void destroy(void *state) { (void)state; }

static void shapes(TF_ShapeInferenceContext *context, TF_Status *status) {
  tf.set_unknown_shape(context, status);
}

static void check(void *state, TF_OpKernelContext *context) {
  (void)state;
  TF_Tensor *complaint = NULL;
  TF_Status *status = tf.new_status();
  tf.get_input(context, 0, &complaint, status);
  if (!tf.get_code(status) && tf.count_elements(complaint)) {
    const size_t size = (size_t)tf.count_elements(complaint);
    char *text = malloc(size + 1);
    if (text) {
      memcpy(text, tf.get_data(complaint), size);
      text[size] = 0;
    }
    tf.set_status(status, TF_INVALID_ARGUMENT, text ? text : "there is no memory to say why");
    free(text);
  }
  if (tf.get_code(status)) tf.fail(context, status);
  if (complaint) tf.delete_tensor(complaint);
  tf.delete_status(status);
}

static int register_op(TF_OpDefinitionBuilder *op, const char *name,
                       void (*function)(void *, TF_OpKernelContext *)) {
  TF_Status *status = tf.new_status();
  tf.set_shape_function(op, shapes);
  tf.register_op(op, status);
  if (!tf.get_code(status)) {
    tf.register_kernel(name, tf.new_kernel(name, "CPU", create, function, destroy), status);
  }
  const int code = tf.get_code(status);
  tf.delete_status(status);
  return code;
}

/* Makes the operations known to the TensorFlow whose functions these are, once in a process. The code
 * of its status is returned, 0 where all is well. */
EXPORT int32_t sparktf_register(const TensorFlow *functions, Rewrite by_protobuf) {
  tf = *functions;
  rewrite = by_protobuf;
  TF_OpDefinitionBuilder *op = tf.new_op(DECODE);
  tf.add_attr(op, "Tout: list({int64, float, string}) >= 0");
  tf.add_input(op, "spec: uint8");
  tf.add_input(op, "keeper: uint8");
  tf.add_input(op, "addresses: int64");
  tf.add_input(op, "lengths: int64");
  tf.add_output(op, "columns: Tout");
  tf.add_output(op, "problems: int64");
  const int code = register_op(op, DECODE, compute);
  op = tf.new_op(CHECK_NAME);
  tf.add_input(op, "complaint: uint8");
  tf.set_is_stateful(op, 1); /* or nobody would run what has no output */
  return code ? code : register_op(op, CHECK_NAME, check);
}
