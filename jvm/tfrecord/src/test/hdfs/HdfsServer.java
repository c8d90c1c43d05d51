import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.protocol.LocatedBlocks;

/**
 * An HDFS in a JVM of its own, for Hadoop's minicluster cannot share a class path with Spark's
 * Hadoop. Run from its source: `java -cp … HdfsServer.java FOLDER DATANODES`. Its standard
 * input are commands: `stop` stops all data nodes, `stop FILE` one that the file's last block is
 * on. It ends with that input, so that it never outlives the JVM that started it.
 */
public final class HdfsServer {
  public static void main(String[] args) {
    // A thread that still runs, or an exception here, must not keep the JVM.
    int status = 1;
    try {
      run(new File(args[0]), Integer.parseInt(args[1]));
      status = 0;
    } catch (Throwable error) {
      error.printStackTrace();
    }
    Runtime.getRuntime().halt(status);
  }

  private static void run(File folder, int datanodes) throws Exception {
    Configuration conf = new Configuration();
    // The tests' blocks are small, so that a file of a few MiB has several.
    conf.setLong("dfs.namenode.fs-limits.min-block-size", 1024);
    // A node that was stopped counts as an idle one for ten minutes. Beside it, the last one that
    // runs would be refused as too busy.
    conf.setBoolean("dfs.namenode.redundancy.considerLoad", false);
    MiniDFSCluster cluster =
        new MiniDFSCluster.Builder(conf, folder).numDataNodes(datanodes).build();
    cluster.waitActive();
    System.out.println("HDFS is at " + cluster.getURI());
    BufferedReader commands =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String[] words = line.split(" ");
      if (words.length == 2) {
        System.out.println("stopped " + stopDatanodeOf(cluster, new Path(words[1])));
      } else {
        cluster.shutdownDataNodes();
        System.out.println("stopped all data nodes");
      }
    }
  }

  /** Stops the first data node of the file's last block, and gives its name. */
  private static String stopDatanodeOf(MiniDFSCluster cluster, Path file) throws Exception {
    DistributedFileSystem hdfs = cluster.getFileSystem();
    LocatedBlocks blocks =
        hdfs.getClient().getLocatedBlocks(file.toUri().getPath(), 0, Long.MAX_VALUE);
    String name = blocks.getLastLocatedBlock().getLocations()[0].getXferAddr();
    for (int i = 0; i < cluster.getDataNodes().size(); i++) {
      if (cluster.getDataNodes().get(i).getDisplayName().endsWith(name)) {
        cluster.stopDataNode(i);
        return name;
      }
    }
    throw new IllegalStateException("no datanode " + name + " of " + cluster.getDataNodes());
  }
}
