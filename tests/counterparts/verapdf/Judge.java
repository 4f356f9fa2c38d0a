import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.logging.LogManager;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/**
 * Asks veraPDF about files: {@code Judge FLAVOUR[,FLAVOUR] FILE...}, flavours such as 3a and ua1.
 * One line for each file and flavour: PASS or FAIL or ERROR, flavour, file, and the broken clauses.
 * Exit code 0 if all passed, 1 if one failed, 2 if one could not be read.
 */
public final class Judge {
  private int exit = 0;

  public static void main(String[] arguments) {
    LogManager.getLogManager().reset();
    VeraGreenfieldFoundryProvider.initialise();
    Judge judge = new Judge();
    for (String flavour : arguments[0].split(",")) {
      for (int i = 1; i < arguments.length; i++) {
        judge.ask(PDFAFlavour.byFlavourId(flavour), new File(arguments[i]));
      }
    }
    System.exit(judge.exit);
  }

  private void ask(PDFAFlavour flavour, File file) {
    Set<String> broken = new TreeSet<>();
    boolean compliant = true;
    try (InputStream bytes = new FileInputStream(file);
        PDFAParser parser = Foundries.defaultInstance().createParser(bytes, flavour);
        PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, false)) {
      List<ValidationResult> results = validator.validateAll(parser);
      for (ValidationResult result : results) {
        compliant &= result.isCompliant();
        for (TestAssertion assertion : result.getTestAssertions()) {
          if (assertion.getStatus() == TestAssertion.Status.FAILED) {
            broken.add(assertion.getRuleId().getClause() + "-" + assertion.getRuleId().getTestNumber()
                + " " + String.valueOf(assertion.getMessage()).replaceAll("\\s+", " "));
          }
        }
      }
      compliant &= !results.isEmpty();
    } catch (Exception unreadable) {
      exit = 2;
      System.out.println("ERROR " + flavour.getId() + " " + file.getName() + " " + unreadable);
      return;
    }
    if (!compliant) {
      exit = Math.max(exit, 1);
    }
    System.out.println((compliant ? "PASS " : "FAIL ") + flavour.getId() + " " + file.getName() + " " + broken);
  }
}
