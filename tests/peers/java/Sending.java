import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import javax.mail.MessagingException;

/**
 * Sends letters as Play 1 does: a thread and a connection for each, all at once, no time-outs but
 * those that a property sets. Prints a line a letter, "sent" or "failed" and every exception behind
 * it, and ends with the number of failures.
 */
final class Sending {
    /** Sends one letter to these recipients. */
    interface Letter {
        void send(List<String> recipients) throws Exception;
    }

    private Sending() {}

    /** The arguments are: copies, "together" or "separately", the recipients. */
    static void run(String[] arguments, Letter letter) throws InterruptedException {
        int copies = Integer.parseInt(arguments[0]);
        boolean separately = arguments[1].equals("separately");
        List<String> recipients = List.of(arguments).subList(2, arguments.length);
        List<List<String>> transactions = new ArrayList<>();
        for (int copy = 0; copy < copies; copy++) {
            if (separately) {
                recipients.forEach(recipient -> transactions.add(List.of(recipient)));
            } else {
                transactions.add(recipients);
            }
        }
        List<String> lines = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch start = new CountDownLatch(1);
        List<Thread> threads = new ArrayList<>();
        for (List<String> to : transactions) {
            Thread thread = new Thread(() -> lines.add(attempt(letter, to, start)));
            thread.start();
            threads.add(thread);
        }
        start.countDown();
        for (Thread thread : threads) {
            thread.join();
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        lines.forEach(out::println);
        long failures = lines.stream().filter(line -> line.startsWith("failed")).count();
        System.exit((int) Math.min(failures, 100));
    }

    private static String attempt(Letter letter, List<String> to, CountDownLatch start) {
        try {
            start.await();
            letter.send(to);
            return "sent to " + to.size();
        } catch (Exception error) {
            StringBuilder line = new StringBuilder("failed");
            for (Throwable cause = error; cause != null; cause = behind(cause)) {
                line.append(" | ").append(cause.toString().replaceAll("\\s+", " "));
            }
            return line.toString();
        }
    }

    private static Throwable behind(Throwable error) {
        if (error instanceof MessagingException && ((MessagingException) error).getNextException() != null) {
            return ((MessagingException) error).getNextException();
        }
        return error.getCause();
    }
}
