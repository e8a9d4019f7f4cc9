; prelude.lisp: the rest of the language, in itself; read at every start. First what macros are written with, then the
; macros, then functions.

(define (list . items) items)
(define (caar p) (car (car p)))
(define (cadr p) (car (cdr p)))
(define (cdar p) (cdr (car p)))
(define (cddr p) (cdr (cdr p)))
(define (caddr p) (car (cdr (cdr p))))
(define (not x) (if x #f #t))
(define (error message . irritants) (raise (make-condition message irritants)))

(define (fold f start items)
  (if (null? items)
      start
      (fold f (f start (car items)) (cdr items))))

(define (reverse items) (fold (lambda (done item) (cons item done)) '() items))
(define (append first second) (fold (lambda (done item) (cons item done)) second (reverse first)))
(define (length items) (fold (lambda (n item) (+ n 1)) 0 items))
(define (map f items) (reverse (fold (lambda (done item) (cons (f item) done)) '() items)))

; `(a ,b ,@c) makes a list in which b is the value of b, and the items of c stand in the place of c.
(define-macro (quasiquote form)
  (if (pair? form)
      (if (eq? (car form) 'unquote)
          (cadr form)
          (if (if (pair? (car form)) (eq? (caar form) 'unquote-splicing) #f)
              (list 'append (cadr (car form)) (list 'quasiquote (cdr form)))
              (list 'cons (list 'quasiquote (car form)) (list 'quasiquote (cdr form)))))
      (list 'quote form)))

(define-macro (and . tests)
  (if (null? tests)
      #t
      (if (null? (cdr tests))
          (car tests)
          `(if ,(car tests) (and ,@(cdr tests)) #f))))

(define-macro (when test . body) `(if ,test (begin ,@body)))
(define-macro (unless test . body) `(if ,test '() (begin ,@body)))

(define-macro (cond . clauses)
  (if (null? clauses)
      ''()
      (if (if (pair? (car clauses)) (pair? (cdar clauses)) #f)
          (if (eq? (caar clauses) 'else)
              `(begin ,@(cdar clauses))
              `(if ,(caar clauses) (begin ,@(cdar clauses)) (cond ,@(cdr clauses))))
          (error "a clause is a test and a body:" (car clauses)))))

(define (check-bindings bindings)
  (fold (lambda (done binding)
          (if (and (pair? binding) (pair? (cdr binding)) (null? (cddr binding)))
              done
              (error "a binding is a name and a value:" binding)))
        bindings
        bindings))

; (let ((a x) ...) body), and (let name ((a x) ...) body), whose body can call name with other values for a ...
(define-macro (let bindings . body)
  (if (symbol? bindings)
      `(((lambda () (define (,bindings ,@(map car (check-bindings (car body)))) ,@(cdr body)) ,bindings))
        ,@(map cadr (car body)))
      `((lambda ,(map car (check-bindings bindings)) ,@body) ,@(map cadr bindings))))

(define-macro (let* bindings . body)
  (if (or (null? bindings) (null? (cdr bindings)))
      `(let ,bindings ,@body)
      `(let (,(car bindings)) (let* ,(cdr bindings) ,@body))))

(define-macro (letrec bindings . body)
  `((lambda () ,@(map (lambda (binding) (cons 'define binding)) (check-bindings bindings)) ,@body)))

; (guard (e clause ...) body ...): what is raised in the body is e in the clauses; without a match it is raised anew.
(define-macro (guard head . body)
  `(call-guarded (lambda () ,@body) (lambda (,(car head)) (cond ,@(cdr head) (else (raise ,(car head)))))))

(define (zero? n) (= n 0))
(define (positive? n) (> n 0))
(define (negative? n) (< n 0))
(define (even? n) (= (modulo n 2) 0))
(define (odd? n) (not (even? n)))
(define (abs n) (if (< n 0) (- n) n))
(define (max a b) (if (< a b) b a))
(define (min a b) (if (< a b) a b))
(define (gcd a b) (if (= b 0) (abs a) (gcd b (modulo a b))))
(define (quotient a b) (if (eq? (< a 0) (< b 0)) (floor-divide a b) (- (floor-divide (- a) b))))

(define (equal? a b)
  (if (and (pair? a) (pair? b))
      (and (equal? (car a) (car b)) (equal? (cdr a) (cdr b)))
      (same? a b)))

(define (for-each f items)
  (unless (null? items)
    (f (car items))
    (for-each f (cdr items))))

(define (filter keep? items)
  (reverse (fold (lambda (done item) (if (keep? item) (cons item done) done)) '() items)))

(define (iota n)
  (let loop ((i (- n 1)) (done '()))
    (if (< i 0) done (loop (- i 1) (cons i done)))))

(define (take items n)
  (let loop ((left items) (n n) (done '()))
    (if (= n 0) (reverse done) (loop (cdr left) (- n 1) (cons (car left) done)))))

(define (list-tail items n) (if (= n 0) items (list-tail (cdr items) (- n 1))))
(define (list-ref items n) (car (list-tail items n)))

(define (assoc key pairs)
  (cond ((null? pairs) #f)
        ((equal? key (caar pairs)) (car pairs))
        (else (assoc key (cdr pairs)))))

(define (member item items)
  (cond ((null? items) #f)
        ((equal? item (car items)) items)
        (else (member item (cdr items)))))

(define (list->vector items)
  (let ((made (make-vector (length items) #f)))
    (let loop ((i 0) (left items))
      (cond ((null? left) made)
            (else (vector-set! made i (car left))
                  (loop (+ i 1) (cdr left)))))))

(define (vector->list made)
  (let loop ((i (- (vector-length made) 1)) (done '()))
    (if (< i 0) done (loop (- i 1) (cons (vector-ref made i) done)))))

(define (sort items before?)
  (define (merge a b)
    (let loop ((a a) (b b) (done '()))
      (cond ((null? a) (append (reverse done) b))
            ((null? b) (append (reverse done) a))
            ((before? (car b) (car a)) (loop a (cdr b) (cons (car b) done)))
            (else (loop (cdr a) b (cons (car a) done))))))
  (define (halves items n)
    (if (< n 2)
        items
        (let ((half (quotient n 2)))
          (merge (halves (take items half) half) (halves (list-tail items half) (- n half))))))
  (halves items (length items)))

(define (newline) (display "\n"))
(define (print . items) (for-each display items) (newline))
