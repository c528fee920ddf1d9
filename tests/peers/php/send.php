<?php
// Sends one letter with PHPMailer; what to send and where is JSON on standard input.

require '/usr/share/php/libphp-phpmailer/autoload.php';

$asked = json_decode(file_get_contents('php://stdin'), true, 512, JSON_THROW_ON_ERROR);
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
try {
    $mail->isSMTP();
    $mail->SMTPDebug = 2;
    $mail->Debugoutput = 'echo';
    $mail->Host = $asked['address'];
    $mail->Port = $asked['port'];
    $mail->SMTPAutoTLS = false;
    if ($asked['starttls']) {
        $mail->SMTPSecure = 'tls';
        $mail->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
    }
    if ($asked['user'] !== null) {
        $mail->SMTPAuth = true;
        $mail->Username = $asked['user'];
        $mail->Password = $asked['password'];
    }
    $mail->CharSet = 'UTF-8';
    $mail->setFrom($asked['from']);
    $mail->Sender = $asked['sender'];
    foreach ($asked['recipients'] as $recipient) {
        $mail->addAddress($recipient);
    }
    $mail->Subject = $asked['subject'];
    $mail->Body = $asked['text'];
    $mail->send();
} catch (PHPMailer\PHPMailer\Exception $error) {
    echo $error->getMessage(), "\n";
    exit(1);
}
