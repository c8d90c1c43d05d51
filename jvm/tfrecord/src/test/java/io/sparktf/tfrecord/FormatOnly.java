package io.sparktf.tfrecord;

import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

import org.scalatest.TagAnnotation;

/**
 * On a suite about the bytes of files, in which Spark only asks for rows, as it does in all suites:
 * it runs on the oldest and the newest Spark, which are one of each Scala, and not on those between.
 */
@TagAnnotation
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.METHOD, ElementType.TYPE})
public @interface FormatOnly {}
