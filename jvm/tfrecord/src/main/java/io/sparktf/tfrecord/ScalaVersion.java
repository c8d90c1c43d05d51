package io.sparktf.tfrecord;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.CodeSource;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.slf4j.LoggerFactory;

/**
 * Says that a jar is for another Scala than the one Spark runs on.
 *
 * <p>Spark asks all registered sources for their names whenever it looks for one, and this comes
 * before those of this jar. Where they cannot even be loaded (of Scala 2.12 on 2.13), no format is
 * found any more: then this says why. Where they can, other formats are left in peace. It takes
 * nothing of Scala's.
 */
public final class ScalaVersion implements DataSourceRegister {
  private static final String COMPLAINT = complaint();
  private static final boolean NOTHING_LOADS = COMPLAINT != null && nothingLoads();

  static {
    if (COMPLAINT != null && !NOTHING_LOADS) {
      LoggerFactory.getLogger(ScalaVersion.class).warn(COMPLAINT);
    }
  }

  @Override
  public String shortName() {
    if (NOTHING_LOADS) {
      check();
    }
    return ScalaVersion.class.getName(); // nobody asks for it
  }

  /** Throws an IllegalArgumentException where this is the jar for another Scala. */
  static void check() {
    if (COMPLAINT != null) {
      throw new IllegalArgumentException(COMPLAINT);
    }
  }

  private static String complaint() {
    String built = built();
    String running = running();
    if (running == null || running.startsWith(built + ".")) {
      return null;
    }
    CodeSource source = ScalaVersion.class.getProtectionDomain().getCodeSource();
    String jar = source == null ? "The jar of sparktf-tfrecord" : source.getLocation().getPath();
    String wanted = running.substring(0, running.indexOf('.', running.indexOf('.') + 1));
    return jar + " is for Scala " + built + ", and this Spark runs on Scala " + running
        + ": take the one whose name has _" + wanted
        + " in its stead (sparktf.configure and sparktf.register choose it themselves)";
  }

  private static boolean nothingLoads() {
    try {
      Class.forName(
          "io.sparktf.tfrecord.TFRecordFileFormat", false, ScalaVersion.class.getClassLoader());
      return false;
    } catch (ClassNotFoundException | LinkageError e) {
      return true;
    }
  }

  /** The Scala that this jar's classes were compiled by, as the build has written it. */
  private static String built() {
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(
                ScalaVersion.class.getResourceAsStream("scala-version"), StandardCharsets.UTF_8))) {
      return in.readLine();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String running() {
    try {
      Class<?> properties = Class.forName("scala.util.Properties");
      return (String) properties.getMethod("versionNumberString").invoke(null);
    } catch (ReflectiveOperationException e) {
      return null; // Scala 3 perhaps, and in any case not what this is about
    }
  }
}
