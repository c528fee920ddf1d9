import java.io.ByteArrayInputStream;
import java.util.List;
import javax.mail.Address;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;

/** Sends the message on standard input with JavaMail; the session is the system's properties. */
public final class JavaMail {
    private JavaMail() {}

    public static void main(String[] arguments) throws Exception {
        byte[] content = System.in.readAllBytes();
        Session session = Session.getInstance(System.getProperties());
        String user = System.getProperty("peer.user");
        String password = System.getProperty("peer.password");
        Sending.run(arguments, recipients -> {
            MimeMessage message = new MimeMessage(session, new ByteArrayInputStream(content));
            Address[] addresses = new Address[recipients.size()];
            for (int i = 0; i < addresses.length; i++) {
                addresses[i] = unchecked(recipients.get(i));
            }
            if (user == null) {
                Transport.send(message, addresses);
            } else {
                Transport.send(message, addresses, user, password);
            }
        });
    }

    /** An address that nobody has looked at: applications send what is in their database. */
    private static Address unchecked(String recipient) {
        InternetAddress address = new InternetAddress();
        address.setAddress(recipient);
        return address;
    }
}
