import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.PDFRevisionWrapper;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;

/**
 * Asks EU DSS about signed PDFs, offline: {@code Judge CA.pem FILE...}. The root is trusted, and revocation is not
 * asked for, since a B-B signature carries none. One line for each signature as tab-separated {@code name=value};
 * a file without a signature gives one line with signatures=0. Exit code 0 if all are TOTAL_PASSED, else 1.
 */
public final class Judge {
  private static final String POLICY = "/policy/constraint.xml";

  public static void main(String[] arguments) throws Exception {
    CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
    try (InputStream pem = new FileInputStream(arguments[0])) {
      for (Certificate root : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
        trusted.addCertificate(new CertificateToken((X509Certificate) root));
      }
    }
    boolean passed = true;
    for (int i = 1; i < arguments.length; i++) {
      passed &= ask(arguments[i], trusted);
    }
    System.exit(passed ? 0 : 1);
  }

  private static boolean ask(String file, CommonTrustedCertificateSource trusted) {
    Reports reports;
    try {
      CommonCertificateVerifier verifier = new CommonCertificateVerifier();
      verifier.setTrustedCertSources(trusted);
      verifier.setAIASource(null);
      SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
      validator.setCertificateVerifier(verifier);
      reports = validator.validateDocument(new ByteArrayInputStream(withoutRevocation()));
    } catch (Exception unreadable) {
      System.out.println("file=" + file + "\terror=" + String.valueOf(unreadable).replaceAll("\\s+", " "));
      return false;
    }
    SimpleReport simple = reports.getSimpleReport();
    DiagnosticData facts = reports.getDiagnosticData();
    if (simple.getSignatureIdList().isEmpty()) {
      System.out.println("file=" + file + "\tsignatures=0");
      return false;
    }
    boolean passed = true;
    for (String id : simple.getSignatureIdList()) {
      passed &= "TOTAL_PASSED".equals(simple.getIndication(id).name());
      System.out.println(String.join("\t", line(file, id, simple, facts.getSignatureById(id))));
    }
    return passed;
  }

  private static List<String> line(String file, String id, SimpleReport simple, SignatureWrapper signature) {
    List<String> line = new ArrayList<>();
    line.add("file=" + file);
    line.add("indication=" + simple.getIndication(id).name());
    line.add("sub=" + simple.getSubIndication(id));
    line.add("level=" + simple.getSignatureFormat(id));
    line.add("intact=" + signature.isSignatureIntact());
    line.add("modified="
        + (signature.arePdfModificationsDetected() || signature.arePdfObjectModificationsDetected()));
    line.add("undefinedChanges=" + signature.getPdfUndefinedChanges().size());
    PDFRevisionWrapper revision = signature.getPDFRevision();
    line.add("byteRangeValid=" + (revision != null && revision.isSignatureByteRangeValid()));
    line.add("docMdp=" + (revision == null ? null : revision.getDocMDPPermissions()));
    line.add("errors=" + simple.getAdESValidationErrors(id).stream().map(m -> m.getValue()).toList());
    line.add("warnings=" + simple.getAdESValidationWarnings(id).stream().map(m -> m.getValue()).toList());
    return line;
  }

  /** DSS's own policy, in which missing revocation data no longer fails a signature. */
  private static byte[] withoutRevocation() throws Exception {
    try (InputStream policy = Judge.class.getResourceAsStream(POLICY)) {
      String text = new String(policy.readAllBytes(), StandardCharsets.UTF_8);
      for (String constraint : List.of("RevocationDataAvailable", "AcceptableRevocationDataFound")) {
        text = text.replaceAll("<" + constraint + " Level=\"FAIL\" ?/>", "<" + constraint + " Level=\"IGNORE\" />");
      }
      return text.getBytes(StandardCharsets.UTF_8);
    }
  }
}
