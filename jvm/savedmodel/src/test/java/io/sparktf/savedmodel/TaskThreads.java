package io.sparktf.savedmodel;

import org.apache.spark.TaskContext;
import org.apache.spark.TaskContext$;

/** What Scala's compiler keeps to Spark's own packages. */
final class TaskThreads {
  private TaskThreads() {}

  /** A thread of a task's own, as those that write rows to Python's workers. */
  static Thread start(TaskContext context, Runnable code) {
    Thread thread =
        new Thread(
            () -> {
              TaskContext$.MODULE$.setTaskContext(context);
              code.run();
            });
    thread.setDaemon(true);
    thread.start();
    return thread;
  }
}
