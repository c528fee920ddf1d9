import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.mail.Authenticator;
import javax.mail.Session;
import org.apache.commons.mail.DefaultAuthenticator;
import org.apache.commons.mail.SimpleEmail;

/**
 * Sends the text on standard input with commons-email, in a session of the system's properties, as
 * Play 1 hands one over. The letter's own fields are peer.from and peer.subject.
 */
public final class CommonsEmail {
    private CommonsEmail() {}

    public static void main(String[] arguments) throws Exception {
        String text = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        String user = System.getProperty("peer.user");
        Authenticator authenticator =
            user == null ? null : new DefaultAuthenticator(user, System.getProperty("peer.password"));
        Session session = Session.getInstance(System.getProperties(), authenticator);
        Sending.run(arguments, recipients -> {
            SimpleEmail email = new SimpleEmail();
            email.setMailSession(session);
            email.setCharset("UTF-8");
            email.setFrom(System.getProperty("peer.from"));
            for (String recipient : recipients) {
                email.addTo(recipient);
            }
            email.setSubject(System.getProperty("peer.subject"));
            email.setMsg(text);
            email.send();
        });
    }
}
